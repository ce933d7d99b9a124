"""Quadrature rules against closed forms of the NLM."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skfme import Adaptive, FMEExplainer, GaussLegendre, Simpson38, fme
from skfme.quadrature import as_rule, is_best, kronrod_nodes
from tests.recorder import Recorder

PATHS = {
    "line": lambda t: 3 - 2 * t,
    "square": lambda t: t**2,
    "exp": np.exp,
    "exp3": lambda t: np.exp(3 * t),
    "sine": lambda t: np.sin(np.pi * t / 2),
    "logistic": lambda t: 1 / (1 + np.exp(-8 * (t - 0.5))),
    "hump": lambda t: (t - 0.5) ** 2,
    "jump 0.5": lambda t: (t > 0.5) * 1.0,
    "jump 0.3": lambda t: (t > 0.3) * 1.0,
    "jump 0.1": lambda t: (t > 0.1) * 1.0,
}


def _jump(tau):
    return 2 - 1 / (3 * tau * (1 - tau))


EXACT = {
    "line": 1.0,
    "square": 0.625,
    "exp": 0.901474,
    "exp3": 0.201585,
    "sine": 0.759660,
    "logistic": 0.922641,
    "hump": -5.0,
    "jump 0.5": 2 / 3,
    "jump 0.3": _jump(0.3),
    "jump 0.1": _jump(0.1),
}


def nlm_of(path, rule, scale=1.0):
    """NLM of f(x) = path(x) on the step 0 -> 1."""
    X = np.array([[0.0]])
    effect = fme(
        lambda X: scale * path(np.asarray(X)[:, 0]),
        X,
        {0: 1},
        nlm=rule,
        extrapolation=None,
    )
    return effect.nlm[0]


SIMPSON = {
    # path: one, two and five intervals
    "line": (1, 1, 1),
    "square": (0.6, 0.623377, 0.624958),
    "exp": (0.893514, 0.900868, 0.901458),
    "exp3": (0.288321, 0.208427, 0.201760),
    "sine": (0.730346, 0.757987, 0.759618),
    "logistic": (0.894750, 0.914641, 0.922643),
    "hump": (-3, -4.8, -4.994672),
    "jump 0.3": (-0.904762, 0.222222, 0.412698),
    "jump 0.1": (-0.904762, -3.622222, -1.703704),
}


@pytest.mark.parametrize("name", SIMPSON)
def test_simpson_gives_its_tabulated_values(name):
    for s, expected in zip((1, 2, 5), SIMPSON[name], strict=True):
        assert nlm_of(PATHS[name], Simpson38(s)) == pytest.approx(expected, abs=6e-7)


SMOOTH = ["line", "square", "exp", "exp3", "sine", "hump", "logistic"]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("rule", [GaussLegendre(16), Adaptive(1e-8), Simpson38(60)])
def test_rules_reach_the_closed_form_on_smooth_paths(name, rule):
    assert nlm_of(PATHS[name], rule) == pytest.approx(EXACT[name], abs=3e-5)


@pytest.mark.parametrize("name", ["line", "square", "hump"])
def test_gauss_is_exact_on_polynomials(name):
    exact = EXACT[name]
    assert nlm_of(PATHS[name], GaussLegendre(3)) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("tau", [0.1, 0.3, 0.5, 1 / 3, 0.9123])
def test_adaptive_finds_jumps(tau):
    value = nlm_of(lambda t: (t > tau) * 1.0, Adaptive(1e-5))
    assert value == pytest.approx(_jump(tau), abs=2e-5)


def test_a_square_from_any_start_has_its_closed_form():
    x = np.array([[-1.0], [0.0], [1.0], [4.0]])
    h = 2.0
    a = x[:, 0] / h
    exact = 1 - (1 / 30) / (4 / 45 + a / 3 + a**2 / 3)
    effect = fme(lambda X: X[:, 0] ** 2, x, {0: h}, nlm=True, extrapolation=None)
    np.testing.assert_allclose(effect.nlm, exact, rtol=1e-10)


def test_adaptive_reports_rows_that_did_not_converge():
    X = np.linspace(0, 1, 7).reshape(-1, 1)
    rule = Adaptive(tol=1e-12, max_nodes=60)
    effect = fme(
        lambda X: np.floor(20 * X[:, 0]), X, {0: 0.77}, nlm=rule, extrapolation=None
    )
    assert effect.n_not_converged == 7
    assert "not converged" in str(effect)
    smooth = fme(
        lambda X: np.exp(X[:, 0]), X, {0: 1}, nlm="adaptive", extrapolation=None
    )
    assert smooth.n_not_converged == 0


def test_adaptive_refines_only_rows_that_need_it():
    predicted = []

    def model(X):
        predicted.append(X[:, 1].copy())
        return np.where(X[:, 1] > 0, np.floor(7 * X[:, 0]), X[:, 0])

    X = np.array([[0.0, 0.0], [0.0, 1.0]])
    explainer = FMEExplainer(
        FrozenEstimator(Recorder(model)), {0: 1}, nlm=Adaptive(1e-4), extrapolation=None
    ).fit(X)
    predicted.clear()
    explainer.explain(X)
    rows = np.concatenate(predicted)
    assert (rows == 0).sum() <= 15 + 4
    assert (rows == 1).sum() > 100


@pytest.mark.parametrize("name", ["exp3", "sine"])
def test_simpson_converges_with_order_four(name):
    reference = nlm_of(PATHS[name], GaussLegendre(30))
    errors = [abs(nlm_of(PATHS[name], Simpson38(s)) - reference) for s in (4, 8, 16)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 4, atol=0.25)


def test_gauss_converges_faster_than_any_power():
    reference = nlm_of(PATHS["exp3"], GaussLegendre(30))
    errors = [
        abs(nlm_of(PATHS["exp3"], GaussLegendre(m)) - reference) for m in (3, 5, 7)
    ]
    assert errors[1] < errors[0] / 1e2
    assert errors[2] < errors[1] / 1e2


def test_kronrod_pair_is_exact_to_its_degrees():
    nodes, kronrod, gauss = kronrod_nodes()
    for degree in range(23):
        assert kronrod @ nodes**degree == pytest.approx(1 / (degree + 1), rel=1e-14)
    for degree in range(14):
        assert gauss @ nodes**degree == pytest.approx(1 / (degree + 1), rel=1e-14)
    assert gauss @ nodes**14 != pytest.approx(1 / 15, rel=1e-14)


@pytest.mark.parametrize("rule", [Simpson38(), GaussLegendre(5), Adaptive(1e-6)])
@pytest.mark.parametrize("scale", [1e-12, 1e-3, -7, 1e9])
def test_nlm_does_not_depend_on_the_responses_units(rule, scale):
    expected = nlm_of(PATHS["sine"], rule)
    assert nlm_of(PATHS["sine"], rule, scale) == pytest.approx(expected, rel=1e-9)
    moved = nlm_of(lambda t: np.sin(np.pi * t / 2) + 5, rule, scale)
    assert moved == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("rule", [Simpson38(), GaussLegendre(5), Adaptive(1e-6)])
def test_nlm_does_not_depend_on_the_features_units(rule):
    X = np.array([[0.3], [1.1]])
    plain = fme(lambda X: np.exp(X[:, 0]), X, {0: 2}, nlm=rule, extrapolation=None)
    rescaled = fme(
        lambda X: np.exp((X[:, 0] - 10) / 8),
        8 * X + 10,
        {0: 16},
        nlm=rule,
        extrapolation=None,
    )
    np.testing.assert_allclose(rescaled.nlm, plain.nlm, rtol=1e-10)


def test_small_probabilities_lose_no_digits():
    def tail(t):
        return 1e-9 * np.exp(3 * t)

    assert nlm_of(tail, GaussLegendre(16)) == pytest.approx(0.201585, abs=1e-6)


def test_names_and_booleans_mean_rules():
    assert as_rule(False) is None
    assert is_best(as_rule(True))
    assert as_rule(True).n_nodes == 8
    assert as_rule("simpson38") == Simpson38(1)
    assert as_rule("adaptive") == Adaptive()
    for wrong in ("simpson", 3, None):
        with pytest.raises(ValueError, match="nlm must be False, True"):
            as_rule(wrong)


@pytest.mark.parametrize(
    "rule",
    [Simpson38(0), Simpson38(1.5), GaussLegendre(-1), Adaptive(0), Adaptive(1, 0)],
)
def test_rules_without_nodes_are_an_error(rule):
    with pytest.raises(ValueError, match="must be (a )?positive"):
        nlm_of(PATHS["exp"], rule)


@pytest.mark.parametrize("height", [1.0, 1e6])
def test_a_path_that_changes_between_nodes_alone_has_no_measure(height):
    # All nodes see the value at the end: nothing is known of how the path gets there.
    X = np.zeros((3, 1))
    effect = fme(
        lambda T: height * (T[:, 0] > 1e-9) * 1.0,
        X,
        {0: 1.0},
        nlm=Adaptive(),
        extrapolation=None,
    )
    assert np.isnan(effect.nlm).all()
