"""Several waves against closed forms of the drift of pairs, and against simulation."""

import numpy as np
import pytest
from scipy import stats

from benchmarks import ring
from skfme.statsmodels import MultiWaveExperiment


def run(n_pairs, n_waves, outcome, **options):
    """The experiment after all its waves; `outcome` is of the probabilities."""
    arguments = {"beta": 0.2, "eta": 0.1, "curvature": ring.CURVATURE} | options
    experiment = MultiWaveExperiment(n_pairs, n_waves, **arguments)
    for _ in range(n_waves + 1):
        experiment.record(outcome(experiment.probabilities.to_numpy()))
    return experiment


def test_a_quadratic_without_noise_is_solved_in_one_wave():
    experiment = run(8, 1, ring.mean_outcome)
    np.testing.assert_allclose(experiment.betas[-1], ring.BEST)
    np.testing.assert_allclose(experiment.estimates[0], 2.15 - 3.5 * 0.2)


@pytest.mark.parametrize("k", [0, 1, 3, 4])
def test_every_pattern_of_deviations_shrinks_by_one_minus_one_over_t(k):
    # With an own term in place of κ(β_{p+1} − β_p) the factor is 1 − exp(iθ)/t.
    n_pairs, n_waves = 8, 5
    experiment = MultiWaveExperiment(
        n_pairs, n_waves, beta=0.5, eta=0.1, curvature=ring.CURVATURE
    )
    pattern = 0.01 * np.cos(2 * np.pi * k * np.arange(n_pairs) / n_pairs)
    experiment.betas[0] = ring.BEST - 0.2 + pattern
    experiment.record(np.zeros((n_pairs, 2)))
    for wave in range(1, n_waves + 1):
        before = experiment.betas[-1] - ring.BEST
        chance = experiment.probabilities.to_numpy()
        experiment.record(ring.mean_outcome(chance))
        after = experiment.betas[-1] - ring.BEST
        np.testing.assert_allclose(after, (1 - 1 / wave) * before, atol=1e-12)


def test_a_pair_never_moves_by_its_own_outcomes():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.02, (6, 5, 2))

    def paths(shock):
        waves, shocks = iter(noise), iter(shock)

        def outcome(chance):
            means = ring.mean_outcome(chance) + next(waves)
            means[2, 0] += next(shocks)
            return means

        return run(5, 5, outcome).betas

    one, other = paths(np.zeros(6)), paths(rng.normal(0, 0.02, 6))
    for wave in range(5):  # the probabilities of waves 1 to T ≤ P
        assert one[wave][2] == other[wave][2]
    assert one[1][1] != other[1][1]  # its neighbour does


def test_clusters_swap_sides_every_wave():
    sides = []

    def outcome(chance):
        sides.append(np.sign((chance[:, 0] - chance[:, 1]).round(12)))
        return ring.mean_outcome(chance)

    run(4, 4, outcome)
    np.testing.assert_array_equal(sides, np.outer([0, 1, -1, 1, -1], np.ones(4)))


def test_probabilities_stay_inside():
    experiment = run(4, 4, lambda chance: 100 * chance)
    assert (experiment.betas[-1] == 0.9).all()
    assert experiment.probabilities.to_numpy().max() == 1.0
    assert experiment.policy == 0.9


def test_the_last_wave_has_a_t_test_over_pairs():
    rng = np.random.default_rng(1)
    experiment = run(
        8, 2, lambda chance: ring.mean_outcome(chance) + rng.normal(0, 0.02, (8, 2))
    )
    known = stats.ttest_1samp(experiment.estimates[-1], 0)
    results = experiment.results()
    assert results.tvalues.iloc[0] == pytest.approx(known.statistic)
    assert results.optimality_test().pvalue == pytest.approx(known.pvalue)
    assert "Wave 2 of 2" in results.summary()
    assert "8 pairs, 2 of 2 waves recorded, policy 0." in repr(experiment)
    assert "with 0 waves to come" in str(experiment)
    assert experiment._repr_html_().count("<tr>") == 3


@pytest.mark.parametrize(("n_waves", "known"), [(2, 0.0023), (4, 0.0012), (8, 0.0006)])
def test_the_expected_regret_is_that_of_the_ring(n_waves, known):
    experiment = MultiWaveExperiment(8, n_waves, beta=0.2, eta=0.1, curvature=3.5)
    sd = ring.sd_of_mean(ring.BEST, 200)
    assert experiment.expected_regret(sd) == pytest.approx(known, abs=7e-5)
    # s² = Var(Ȳ) / (2η²), E = s² / (2PκT).
    expected = sd**2 / (2 * 0.01) / (2 * 8 * 3.5 * n_waves)
    assert experiment.expected_regret(sd) == pytest.approx(expected)


@pytest.mark.parametrize(("n_waves", "known"), [(2, 0.0025), (4, 0.0013), (8, 0.0007)])
def test_regret_falls_with_waves_in_a_small_simulation(n_waves, known):
    # 4 Monte-Carlo errors; benchmarks/studies.py has the large one.
    rng = np.random.default_rng(11)
    losses = []
    for _ in range(100):
        effects = rng.normal(0, 0.5, (8, 2))

        def outcome(chance, effects=effects):
            return ring.outcomes(chance, effects, 200, rng)[1].mean(axis=-1)

        policy = run(8, n_waves, outcome).policy
        losses.append(ring.mean_outcome(ring.BEST) - ring.mean_outcome(policy))
    assert abs(np.mean(losses) - known) < 4 * stats.sem(losses)


CASE = {"n_pairs": 8, "n_waves": 4, "beta": 0.3, "eta": 0.1, "curvature": 3.5}
REFUSED = {
    "more waves than pairs": ({"n_waves": 9}, "between 1 and n_pairs=8, got 9"),
    "no waves": ({"n_waves": 0}, "between 1 and n_pairs"),
    "half a pair": ({"n_pairs": 8.5}, "n_pairs must be a whole number, got 8.5"),
    "waves in words": ({"n_waves": "two"}, "n_waves must be a whole number"),
    "no curvature": ({"curvature": None}, "curvature must be positive, got None"),
    "three pairs": ({"n_pairs": 3}, "at least 4"),
    "outside": ({"beta": 0.05}, "outside"),
    "no start": ({"beta": None}, "beta is None; give the probability"),
    "a convex outcome": ({"curvature": -1.0}, "curvature must be positive"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_procedures_that_cannot_work_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        MultiWaveExperiment(**CASE | options)


def test_outcomes_that_do_not_fit_are_refused():
    experiment = MultiWaveExperiment(4, 1, beta=0.3, eta=0.1, curvature=3.5)
    with pytest.raises(ValueError, match="No wave"):
        experiment.results()
    with pytest.raises(ValueError, match=r"shape \(4, 2\); got shape \(2, 4\)"):
        experiment.record(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="finite"):
        experiment.record(np.full((4, 2), np.nan))
    experiment.record(np.zeros((4, 2))).record(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="All 1 waves are recorded"):
        experiment.record(np.zeros((4, 2)))
