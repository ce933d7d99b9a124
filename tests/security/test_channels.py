"""One guard for each place that shows or quotes what data hold; inputs are harmless."""

import os
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer, ame, attribute, came, fme, write_report
from skfme.statsmodels import ConditionalEffects, average_effects

N = 240
MARKUP = "<b id=\"x\" title='y'>&amp;</b><script>1</script>"
CATEGORIES = [f"{MARKUP} {i}" for i in range(3)]
CONTROLS = "red \x1b[31m bell \a back \b\r over \u202e line\nfeed\u2028 \x9b2J"


def table_of(name, categories=CATEGORIES):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, len(categories), N)
    return pd.DataFrame(
        {
            name: rng.normal(size=N),
            name + "2": pd.Categorical(np.array(categories, dtype=object)[codes]),
        }
    )


def model_of(table, title):
    numbers, texts = table.columns
    first = table[texts].cat.categories[0]

    def predict(rows):
        at_first = np.asarray(rows[texts].astype(str)) == first
        return np.asarray(rows[numbers]) ** 2 * np.where(at_first, 1, 4)

    predict.__name__ = title
    return predict


def results_of(name, categories=CATEGORIES):
    """Whatever a session shows, of data whose every name is the given one."""
    table = table_of(name, categories)
    numbers, texts = table.columns
    model = model_of(table, name)
    options = {"extrapolation": None, "response_label": name, "nlm": True}
    step = {numbers: 1.0}
    effects = ame(
        model, table, {name: step, name + "3": {texts: categories[0]}}, **options
    )
    joint = step | {texts: categories[0]}
    explainer = FMEExplainer(
        LinearRegression(), {name: {numbers: 1}}, response_label=name
    )
    explainer.fit(table[[numbers]], pd.Series(table[numbers], name=name))
    effect = effects[name]
    return {
        "effects": effects,
        "effect": effect,
        "regions": came(effect, 2),
        "attribution": attribute(model, table, joint, extrapolation=None),
        "profile": explainer.step_profile(table[[numbers]], numbers),
        "optimum": explainer.optimum(table[[numbers]], numbers, direction="min"),
        "path": explainer.path(table[[numbers]][:3], name),
        "summaries": explainer.explain_batches([table[[numbers]]]),
        "averages": average_effects(effect, by=texts),
        "tests": average_effects(effect, by=texts).summary(),
    }


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = set()
        self.text = []

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.seen |= {f"{tag}.{name}" for name, _ in attrs if name in ("id", "title")}

    def handle_data(self, data):
        self.text.append(data)


def tags_of(page):
    parser = Tags()
    parser.feed(page)
    return parser


@pytest.fixture(scope="module")
def marked_up():
    return results_of(MARKUP)


@pytest.fixture(scope="module")
def controlling():
    return results_of(CONTROLS, ["a\x1b[2J", "b\nb", "c\u202e"])


def test_notebook_pages_show_markup_and_do_not_obey_it(marked_up):
    shown = 0
    for name, result in marked_up.items():
        if not hasattr(result, "_repr_html_"):
            continue
        found = tags_of(result._repr_html_())
        assert found.seen.isdisjoint({"b", "script", "b.id", "b.title"}), name
        shown += "<script>1</script>" in "".join(found.text)
    assert shown >= 6


def test_reports_show_markup_and_do_not_obey_it(marked_up, tmp_path):
    pytest.importorskip("matplotlib", reason="reports need Matplotlib")
    effects = marked_up["effects"]
    path = write_report(
        effects,
        tmp_path / "report.html",
        tree={MARKUP: marked_up["regions"]},
        inference=average_effects(effects[MARKUP]),
        labels={MARKUP: MARKUP + " (" + "<i>&</i>" + ")"},
        response_label=MARKUP,
        title=MARKUP,
    )
    found = tags_of(path.read_text("utf-8"))
    assert found.seen.isdisjoint({"b", "i", "script", "b.id"})
    assert "<script>1</script>" in "".join(found.text)


OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def test_a_terminal_shows_control_characters_and_does_not_obey_them(controlling):
    for name, result in controlling.items():
        for text in (str(result), repr(result)):
            assert not OBEYED.search(text), (name, text)
    assert r"\x1b[31m" in str(controlling["effect"])
    assert r"\u202e" in str(controlling["regions"])


def test_a_line_feed_in_a_name_starts_no_line_of_a_table(controlling):
    lines = str(controlling["averages"]).splitlines()
    assert any(r"b\nb" in line for line in lines)


def test_pictures_take_dollar_signs_for_dollars():
    plt = pytest.importorskip("matplotlib.pyplot", reason="pictures need Matplotlib")
    # None of these is a formula that Matplotlib could set; as one, drawing would fail.
    name = r"$\frac{1$ and $\undefined$ $_^$"
    results = results_of(name, [f"{name} a", f"{name} b"])
    drawn = "effects", "effect", "regions", "attribution", "profile", "optimum", "path"
    for what in drawn:
        display = results[what].plot()
        figure = display.figure_
        figure.canvas.draw()
        dollars = 0
        for axes in figure.axes:
            labels = [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
            labels += [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]
            labels += axes.get_legend().get_texts() if axes.get_legend() else []
            for label in labels:
                if "$" in label.get_text():
                    dollars += 1
                    assert not label.get_parse_math(), (what, label.get_text())
        assert dollars, what
        plt.close(figure)


def test_nothing_is_written_but_the_path_that_was_asked_for(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="reports need Matplotlib")
    monkeypatch.chdir(tmp_path)
    for name in ("../outside", "/tmp/../x", "report.html", "a\x00b", "$(touch x)"):
        table = table_of(name)
        step = {name: {name: 1.0}}
        effects = ame(model_of(table, name), table, step, extrapolation=None)
        inside = tmp_path / "inside"
        inside.mkdir(exist_ok=True)
        write_report(effects, inside / "asked.html", title=name)
    written = {
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert written == {os.path.join("inside", "asked.html")}


QUOTES = [
    "a'b", 'a"b', "a`b", "@a", "a\\", "a\nb", "#a", "'] or True or ['",
    "` or True or `", "@pd.io.common.os.system('true')", "__import__('os')",
]  # fmt: skip


@pytest.mark.parametrize("level", QUOTES)
def test_queries_quote_categories(level):
    table = table_of("x", [level, "plain", "other " + level])
    effect = fme(model_of(table, "f"), table, {"x": 1.0}, extrapolation=None)
    tree = came(effect, 3, features=["x2"], method="cart")
    assert any(repr(level) in query for query in tree.queries_)
    masks = tree.masks(table)
    for leaf, query in tree.queries_.items():
        found = table.query(query).index
        assert list(found) == list(table.index[masks[leaf]])


@pytest.mark.parametrize("name", [*QUOTES, "a b", "é", "class", "index", "a-b", "2x"])
def test_queries_quote_columns_or_refuse_them(name):
    table = table_of("x")
    table = table.rename(columns={"x2": name})
    effect = fme(model_of(table, "f"), table, {"x": 1.0}, extrapolation=None)
    tree = came(effect, 2, features=[name], method="cart")
    masks = tree.masks(table)
    if set(name) & set("'\"`@\\\n#"):
        with pytest.raises(ValueError, match="query cannot quote the column name"):
            _ = tree.queries_
        return
    queries = tree.queries_
    for leaf, query in queries.items():
        assert list(table.query(query).index) == list(table.index[masks[leaf]])


class Calls(list):
    """Remembers each call; stands where text from data would have to be evaluated."""

    def __call__(self, *arguments):
        self.append(arguments)


def test_no_name_and_no_category_is_evaluated(monkeypatch):
    calls = Calls()
    monkeypatch.setattr("builtins.touched", calls, raising=False)
    results = results_of("touched()", ["touched()", "{touched()}", "%s touched"])
    for result in results.values():
        str(result), repr(result)
        getattr(result, "_repr_html_", str)()
    for query in results["regions"].queries_.tolist():
        results["effect"].X.query(query)
    assert calls == []


@pytest.mark.parametrize("name", ["touched()", *QUOTES[:6], "x + z", "1 + 1"])
def test_a_formula_takes_a_quoted_column_for_its_name(name, monkeypatch):
    calls = Calls()
    monkeypatch.setattr("builtins.touched", calls, raising=False)
    table = table_of("x").rename(columns={"x2": "g"})
    table[name] = np.random.default_rng(1).normal(size=N)
    numbers = table[["x", name]].to_numpy()
    effect = fme(
        lambda t: np.asarray(t["x"]) * (1 + 3 * np.asarray(t[name])),
        table,
        {"x": 1.0},
        extrapolation=None,
    )
    results = ConditionalEffects.from_formula(effect, f"Q({name!r})").fit()
    slope = results.to_frame()["estimate"].to_numpy()[-1]
    assert slope == pytest.approx(np.polyfit(numbers[:, 1], effect.fme, 1)[0])
    assert calls == []


class Model(RegressorMixin, BaseEstimator):
    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0] ** 2


def test_errors_show_names_as_python_writes_them():
    table = pd.DataFrame({CONTROLS: [1.0, 2.0, 3.0], "z": [1.0, 2.0, 4.0]})
    for steps in ({"nothing": 1}, {CONTROLS: "text"}, {CONTROLS: np.inf}):
        with pytest.raises((ValueError, TypeError, KeyError)) as error:
            fme(Model(), table, steps)
        assert not OBEYED.search(str(error.value))
