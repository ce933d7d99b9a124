"""The report: what it says, and what a browser makes of it."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

import skfme
from skfme import FMEExplainer, StdDev, came, fme, write_report
from skfme.statsmodels import average_effects, bootstrap_effects
from tests.report.chromium import EXECUTABLE, visit

EVIL = "<script>alert(1)</script>"
QUOTED = "\"'><img src=x onerror=alert(2)>"
LABELS = {"bmi": "Body mass index (kg/m²)"}


def people(n=250):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "bmi": rng.uniform(18, 40, n),
            "bp": rng.uniform(60, 130, n),
            "sex": pd.Categorical(rng.choice(["f", "m"], n)),
        }
    )


def risk(X):
    bmi = np.asarray(X["bmi"], float)
    return (bmi - 28) ** 2 / 4 + np.where(np.asarray(X["sex"]) == "f", 3.0, 0.0)


STEPS = [{"bmi": -2}, {"sex": "m"}, {"bp": StdDev(1)}]


@pytest.fixture(scope="module")
def effects():
    return fme(risk, people(), STEPS, nlm=True)


@pytest.fixture(scope="module")
def single():
    return fme(risk, people(), [{"bmi": -2}])


@pytest.fixture(scope="module")
def text(effects, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    tree = came(effects["bmi -2"], n_partitions=3, method="cart")
    written = write_report(
        effects,
        path,
        tree={"bmi -2": tree},
        labels=LABELS,
        response_label="risk (points)",
    )
    assert written == path
    return path.read_text("utf-8")


def plain(page):
    words = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", words)


def test_every_effect_has_its_question_its_answer_and_its_picture(effects, text):
    words = plain(text)
    assert "If Body mass index were 2 kg/m² lower, and all else the same" in words
    ame = effects["bmi -2"].ame
    verb = "lowers" if ame < 0 else "raises"
    assert f"by 2 kg/m² {verb} the predicted risk by {abs(ame):.3g} points" in words
    n_extrapolated = sum(e.n_left_out["extrapolation"] > 0 for e in effects.values())
    # One for each effect, those of extrapolation, the overview and the tree.
    assert text.count("<img ") == len(effects) + n_extrapolated + 2
    assert text.count('src="data:image/png;base64,') == text.count("<img ")
    assert text.count("alt=") == text.count("<img ")


def test_the_page_says_what_is_distrusted_what_is_covered_and_how(effects, text):
    words = plain(text)
    assert "Where the effect differs: Body mass index −2 kg/m²" in words
    assert "0 rows lay outside the training data before any step" in words
    assert "no standard errors and no confidence intervals" in words
    assert f"skfme {skfme.__version__}" in words
    assert "bmi -2: bmi Add(amount=-2)" in words
    assert "1 SD of bp = " in words
    assert "only under causal assumptions" in words


def test_the_page_needs_nothing_else(text):
    assert "http://" not in text.replace("http-equiv", "")
    assert "https://" not in text
    assert "<script" not in text
    assert "<link" not in text
    assert "default-src 'none'" in text


def test_tables_have_captions_and_scopes(text):
    for table in re.findall(r"<table.*?</table>", text, flags=re.S):
        assert "<caption>" in table
        assert 'scope="col"' in table
        assert 'scope="row"' in table


def test_an_explainer_lists_the_models_parameters(tmp_path):
    X = people()[["bmi", "bp"]]
    model = HistGradientBoostingRegressor(max_iter=7, random_state=0)
    explainer = FMEExplainer(model, {"bmi": -2}).fit(X, X["bmi"] ** 2)
    path = write_report(explainer.explain(X), tmp_path / "r.html", explainer=explainer)
    assert "max_iter=7" in plain(path.read_text("utf-8"))


class Inference:
    covers = "other people, with the model as it is"

    def __init__(self, effects):
        self.effects = effects

    def to_frame(self):
        frame = self.effects.to_frame()
        return pd.DataFrame(
            {
                "effect": frame["effect"],
                "estimate": frame["ame"],
                "std_error": 0.25,
                "statistic": 4.0,
                "p_value": 0.001234,
                "conf_low": frame["ame"] - 0.5,
                "conf_high": frame["ame"] + 0.5,
            }
        )


def test_the_tables_of_statistics_stand_in_the_report_with_what_they_cover(
    effects, tmp_path
):
    averages = average_effects(effects)
    words = plain(
        write_report(effects, tmp_path / "r.html", inference=averages).read_text(
            "utf-8"
        )
    )
    assert "with the model held fixed: not what another training set would" in words
    for low in averages.conf_int().iloc[:, 0]:
        assert f"{low:.4g}".rstrip("0").lstrip("-") in words


def test_intervals_are_shown_with_what_they_cover(single, tmp_path):
    path = write_report(single, tmp_path / "r.html", inference=Inference(single))
    words = plain(path.read_text("utf-8"))
    assert "Intervals cover: other people, with the model as it is." in words
    assert "conf_low" in words
    assert "0.001234" in words
    assert "no standard errors" not in words


def test_what_results_say_below_their_table_is_in_the_report(tmp_path):
    X = people()[["bp", "bmi"]]
    explainer = FMEExplainer(LinearRegression(), {"bmi": -2})
    refits = bootstrap_effects(explainer, X, X["bmi"], n_resamples=40, random_state=0)
    effects = explainer.fit(X, X["bmi"]).explain(X)
    path = write_report(effects, tmp_path / "r.html", inference=refits)
    words = plain(path.read_text("utf-8"))
    assert "Intervals and P: percentile, from 40 refits." in words


def test_a_single_tree_is_about_the_single_effect(tmp_path):
    effect = fme(risk, people(), {"bmi": -2})
    tree = came(effect, n_partitions=2, method="cart")
    path = write_report(effect, tmp_path / "r.html", tree=tree, title="For the ward")
    text = path.read_text("utf-8")
    assert "<title>For the ward</title>" in text
    assert "Where the effect differs: bmi −2" in text


def test_an_effect_without_rows_is_reported_as_such(tmp_path):
    effects = fme(risk, people(), [{"bmi": 100}])
    words = plain(write_report(effects, tmp_path / "r.html").read_text("utf-8"))
    assert "No row counts, so that there is no average." in words


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"effects": {}},
            TypeError,
            "takes a ForwardEffects or a ForwardEffect, got dict",
        ),
        (
            {"inference": [1, 2]},
            TypeError,
            "inference must be results with to_frame",
        ),
        (
            {"tree": {"age": None}},
            ValueError,
            "tree names 'age', which is none of the effects",
        ),
        ({"labels": {"bmj": "x"}}, ValueError, "labels name 'bmj'"),
    ],
    ids=["no effects", "no results", "tree of another effect", "unknown label"],
)
def test_a_bad_request_is_refused_before_a_page_is_written(
    effects, tmp_path, options, error, message
):
    path = tmp_path / "r.html"
    with pytest.raises(error, match=message):
        write_report(**{"effects": effects, "path": path, **options})
    assert not path.exists()


def hostile_report(path):
    """Columns, categories, an effect, labels and words that try to run a script."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            EVIL: rng.uniform(0, 10, 120),
            QUOTED: pd.Categorical(rng.choice([EVIL, "</td></table>" + EVIL], 120)),
        }
    )

    def model(T):
        return np.asarray(T[EVIL], float) ** 2 + (np.asarray(T[QUOTED]) == EVIL)

    model.__name__ = EVIL
    steps = {EVIL: {EVIL: -1}, "</title>" + EVIL: {EVIL: -1, QUOTED: EVIL}}
    effects = fme(model, X, steps, response_label=EVIL + QUOTED)
    tree = came(effects[EVIL], n_partitions=3, method="cart")
    return write_report(
        effects,
        path,
        tree={EVIL: tree},
        labels={EVIL: EVIL + " (" + EVIL + ")"},
        title="</title>" + EVIL,
        inference=HostileInference(effects),
    )


class HostileInference(Inference):
    covers = EVIL

    def to_frame(self):
        return super().to_frame().assign(**{EVIL: EVIL})


def test_all_text_from_data_is_escaped(tmp_path):
    text = hostile_report(tmp_path / "r.html").read_text("utf-8")
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;" in text


needs_chromium = pytest.mark.skipif(
    EXECUTABLE is None, reason="Chromium is not installed; .ci/run installs it"
)
CHECKS = (
    "document.scripts.length",
    "document.images.length",
    "[...document.images].every(i => i.complete && i.naturalWidth > 0)",
    "document.documentElement.scrollWidth <= window.innerWidth",
    "document.querySelectorAll('table caption').length",
)


@needs_chromium
@pytest.mark.parametrize("width", [1000, 390])
def test_the_page_opens_without_errors_or_requests(text, tmp_path, width):
    page = tmp_path / "report.html"
    page.write_text(text, "utf-8")
    found = visit(page, CHECKS, width)
    assert found.errors == []
    assert found.requests == []
    assert found.dialogs == []
    scripts, images, drawn, fits, captions = found.answers.values()
    assert scripts == 0
    assert images == text.count("<img ")
    assert drawn
    assert fits
    assert captions == text.count("<caption>")


@needs_chromium
def test_names_that_are_scripts_do_not_run(tmp_path):
    found = visit(hostile_report(tmp_path / "r.html"), (*CHECKS, "document.title"))
    assert found.errors == []
    assert found.requests == []
    assert found.dialogs == []
    assert found.answers["document.scripts.length"] == 0
    assert found.answers["document.title"] == "</title>" + EVIL


@needs_chromium
def test_the_check_would_notice_a_script_and_a_request(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<!DOCTYPE html><script>console.error('seen')</script>"
        "<img src='http://127.0.0.1:9/x.png'>",
        "utf-8",
    )
    found = visit(page, CHECKS)
    assert any("seen" in error for error in found.errors)
    assert found.requests == ["http://127.0.0.1:9/x.png"]
    assert found.answers["document.scripts.length"] == 1


def test_a_page_that_fails_halfway_leaves_the_old_one_and_nothing_else(
    effects, tmp_path
):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_report(effects, path, title="\ud800")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    effects, tmp_path, monkeypatch
):
    def drawn(*_):
        raise AssertionError("the work was begun")

    monkeypatch.setattr("skfme._report.report._Writer.overview", drawn)
    for place in (tmp_path, tmp_path / "no folder" / "report.html"):
        with pytest.raises(OSError, match="report cannot be written there") as error:
            write_report(effects, place)
        assert str(place) in str(error.value)


def test_a_page_over_few_rows_says_so_first(tmp_path):
    effect = fme(risk, people(), {"bmi": 15})
    page = write_report(effect, tmp_path / "r.html").read_text("utf-8")
    lead = page[page.index("<h1") :].split("</p>")[0]
    assert f"Only {effect.n} of 250 rows count" in lead
    assert "outside the training data" in lead


@pytest.mark.parametrize("part", ["tree", "inference", "explainer"])
def test_a_part_about_other_effects_is_refused(effects, tmp_path, part):
    others = pd.DataFrame({"age": np.arange(60.0), "w": np.arange(60.0) % 7})
    other = fme(lambda T: T["age"] ** 2 * T["w"], others, {"age": 1})
    given = {
        "tree": lambda: {"bmi -2": came(other, n_partitions=2)},
        "inference": lambda: average_effects(other),
        "explainer": lambda: FMEExplainer(
            HistGradientBoostingRegressor(max_iter=2), {"bp": 1}
        ).fit(people()[["bmi", "bp"]], people()["bmi"]),
    }
    path = tmp_path / "report.html"
    with pytest.raises(ValueError, match="other effects|is about|another one"):
        write_report(effects, path, **{part: given[part]()})
    assert not path.exists()
