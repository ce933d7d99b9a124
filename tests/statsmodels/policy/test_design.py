"""Designs against closed forms, and powers that were computed elsewhere."""

import numpy as np
import pytest

from skfme.statsmodels import ClusterPairExperiment

design = ClusterPairExperiment.design
SD_CHANGE = 0.1148  # of the ring: 200 units, no effects of clusters
CASE = {"sd_change": SD_CHANGE, "effect": 0.5, "eta": 0.1}


@pytest.mark.parametrize(
    ("effect", "eta", "n_pairs"),
    [(0.5, 0.05, 85), (0.5, 0.1, 23), (0.5, 0.2, 8)]
    + [(1.0, 0.05, 23), (1.0, 0.1, 8), (1.0, 0.2, 4)],
)
def test_pairs_for_a_power_of_80_percent(effect, eta, n_pairs):
    found = design(SD_CHANGE, effect=effect, eta=eta)
    assert found.n_pairs == n_pairs
    assert found.power >= 0.8
    if n_pairs > 4:
        assert (
            design(SD_CHANGE, effect=effect, eta=eta, n_pairs=n_pairs - 1).power < 0.8
        )


@pytest.mark.parametrize(
    ("n_pairs", "power"), [(4, 0.4605), (6, 0.7558), (10, 0.9669), (20, 0.9999)]
)
def test_powers_are_those_of_the_noncentral_t(n_pairs, power):
    sd_change = 0.11477  # SD 0.2566 of the mean over ten pairs
    found = design(sd_change, effect=1.1, eta=0.1, n_pairs=n_pairs)
    assert found.power == pytest.approx(power, abs=6e-5)
    assert found.std_error == pytest.approx(sd_change / (0.1 * np.sqrt(2 * n_pairs)))


@pytest.mark.parametrize(
    ("ratio", "coverage"), [(0.1, 0.949), (0.25, 0.943), (0.5, 0.921), (1.0, 0.830)]
)
def test_the_bias_rule_bounds_the_bias_in_standard_errors(ratio, coverage):
    found = design(SD_CHANGE, n_pairs=10, third_derivative=4.5, bias_ratio=ratio)
    assert found.bias / found.std_error == pytest.approx(ratio)
    assert found.bias == pytest.approx(found.eta**2 * 4.5 / 6)
    assert found.coverage == pytest.approx(coverage, abs=5e-4)
    assert np.isnan(found.power)
    assert f"{found.eta:.4f}" in str(found)


def test_the_steps_of_the_two_rules():
    # The ring with e = −2, W‴ = −4.5: its changes have SD 0.1083.
    found = design(0.1083, n_pairs=10, third_derivative=4.5)
    assert found.eta == pytest.approx(0.200, abs=1e-3)
    assert found.eta_mse == pytest.approx(0.284, abs=1e-3)

    def squared_error(eta):
        return (eta**2 * 4.5 / 6) ** 2 + 0.1083**2 / (20 * eta**2)

    least = min(map(squared_error, found.eta_mse + np.linspace(-0.01, 0.01, 9)))
    assert squared_error(found.eta_mse) == pytest.approx(least, rel=1e-9)


def test_without_a_bound_the_step_is_a_power_of_the_units():
    found = design(SD_CHANGE, n_pairs=10, n_units=625)
    assert found.eta == pytest.approx(0.2)
    assert np.isnan([found.bias, found.coverage, found.eta_mse]).all()


def test_pairs_and_step_are_found_together():
    found = design(SD_CHANGE, effect=0.5, third_derivative=4.5)
    again = design(
        SD_CHANGE, effect=0.5, third_derivative=4.5, n_pairs=found.n_pairs - 1
    )
    assert found.power >= 0.8 > again.power
    assert again.eta > found.eta


def test_a_policy_near_a_bound_gets_a_step_inside():
    options = {"n_pairs": 4, "third_derivative": 0.1}
    assert design(SD_CHANGE, beta=0.2, **options).eta == pytest.approx(0.2)


REFUSED = {
    "nothing to find": ({"effect": None}, "how many pairs there are"),
    "no effect": ({"effect": 0}, "not 0"),
    "no step": ({"eta": None}, "The step needs eta="),
    "outside": ({"beta": 0.95}, "outside"),
    "three pairs": ({"n_pairs": 3}, "at least 4"),
    "no spread": ({"sd_change": 0.0}, "sd_change must be a positive number"),
    "all power": ({"power": 1.0}, "power must lie between"),
    "an unknown effect": (
        {"effect": np.nan},
        "effect must be a finite number, got nan",
    ),
    "a text": ({"sd_change": "a"}, "sd_change must be a positive number, got 'a'"),
    "half a pair": ({"n_pairs": 5.5}, "n_pairs must be a whole number .* got 5.5"),
    "no step in numbers": ({"eta": "a"}, "eta must be a number above 0"),
    "a level beyond 1": ({"alpha": 2}, "alpha must lie between 0 and 1, got 2"),
    "a tiny effect": ({"effect": 1e-4}, "More than 100000 pairs"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_designs_that_cannot_be_made_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        design(**CASE | options)
