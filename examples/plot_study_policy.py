"""
Study: which policy is best where people influence one another?
===============================================================

Viviano and Rudder (2024) sent weather forecasts to farmers in Pakistan, who talk to their
neighbours: an outcome depends on who else is treated, and nobody knows how. With what
probability should a farmer be treated? Here the same question on a ring of neighbours,
whose truth is known: the mean outcome is W(β) = 2.15 β − 1.75 β², best at β = 0.614.
"""

import matplotlib.pyplot as plt
import numpy as np

from skfme.statsmodels import ClusterPairExperiment, MultiWaveExperiment

rng = np.random.default_rng(3)


def village(chance, lasting, n=200):
    """Who is treated, and outcomes, of villages whose farmers have four neighbours."""
    treated = (rng.random((*chance.shape, n)) < chance[..., None]) * 1.0
    share = sum(np.roll(treated, k, axis=-1) for k in (-2, -1, 1, 2)) / 4
    mean = 1.2 * treated + 1.2 * share - share**2 - treated * share
    return treated, lasting[..., None] + mean + rng.normal(size=treated.shape)


# %%
# **How many villages?** Pairs of them are treated with probabilities β + η and β − η. The
# SD of a village's change is 0.115 (a pilot would tell); a marginal effect of 0.5 is to be
# found with a power of 80 %, with η = 0.1. The answer is 23 pairs; an effect of 1 needs 8.
design = ClusterPairExperiment.design(0.1148, effect=0.5, eta=0.1, beta=0.3)
print(design)

# %%
# **Does more treatment help at β = 0.3?** One wave after a baseline, on ten pairs. The
# truth is 1.10, of which 0.90 is a farmer's own treatment and 0.20 that of the neighbours.
pair, side = np.repeat(np.arange(10), 2), np.tile([-1, 1], 10)
lasting = rng.normal(0, 0.5, 20)
rows = {name: [] for name in ("outcome", "treatment", "pair", "side", "wave")}
for wave in (0, 1):
    treated, outcome = village(0.3 + 0.1 * side * wave, lasting)
    rows["outcome"].append(outcome.ravel())
    rows["treatment"].append(treated.ravel())
    rows["pair"].append(pair.repeat(200))
    rows["side"].append(side.repeat(200))
    rows["wave"].append(np.full(outcome.size, wave))
columns = {name: np.concatenate(parts) for name, parts in rows.items()}
results = ClusterPairExperiment(**columns, eta=0.1, beta=0.3).fit()
print(results)

# %%
# β = 0.3 is not the best policy:
print(results.optimality_test())

# %%
# A trap: treated less untreated farmers (0.90 here) is 1.2 − β, and still 0.59 at the best
# policy, where treating more helps nobody. Only the marginal policy effect is zero there.
#
# **Towards the best policy.** Eight pairs, eight waves, from β = 0.2. A pair moves by what
# its neighbour showed, so that its estimates stay unconfounded. κ = 3.5 bounds the
# curvature of W.
waves = MultiWaveExperiment(8, 8, beta=0.2, eta=0.1, curvature=3.5)
lasting = rng.normal(0, 0.5, (8, 2))
for _ in range(9):  # the baseline, and eight waves
    chance = waves.probabilities.to_numpy()
    waves.record(village(chance, lasting)[1].mean(axis=-1))
best = 2.15 / 3.5
regret = 1.75 * (waves.policy - best) ** 2
print(waves)
print(f"proposed {waves.policy:.3f}, best {best:.3f}; regret {regret:.5f}")
print(waves.results().conf_int().round(2))

# %%
# At the start the regret is 0.30; the mean over many experiments of eight waves is 0.0007.
fig, ax = plt.subplots()
ax.plot(np.arange(1, 10), waves.betas, color="tab:blue", alpha=0.4)
ax.plot(np.arange(1, 10), np.mean(waves.betas, axis=1), color="black", label="mean")
ax.axhline(best, color="tab:red", linestyle=":", label="best policy")
ax.set(
    xlabel="wave", ylabel="probability of treatment", title="Eight pairs of villages"
)
ax.legend()

# %%
# The headline: the effect and its parts are within their intervals, 0.3 is refused as the
# best policy, and the waves arrive at it.
truth, ends = np.array([1.10, 0.90, 0.20]), results.conf_int().to_numpy()
assert ((ends[:, 0] < truth) & (truth < ends[:, 1])).all()
assert results.optimality_test().pvalue_flips < 0.05
assert abs(waves.policy - best) < 0.05
assert design.n_pairs == 23
