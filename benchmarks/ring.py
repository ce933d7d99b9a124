"""Clusters whose units interfere: a ring network, each unit with 2 + 2 neighbours.

With s the treated share of the neighbours and D the unit's own treatment,

    Y = cluster + 1.2 D + 1.2 s − s² − D s + e s³ + noise,
    W(β) = 2.15 β − 1.75 β² for e = 0, M(β) = 2.15 − 3.5 β, direct part 1.2 − β.
"""

import itertools

import numpy as np
import pandas as pd

BEST = 2.15 / 3.5  # where M is zero
CURVATURE = 3.5


def mean_outcome(beta):
    return 2.15 * beta - 1.75 * beta**2


def response(treated, share, cubic=0.0):
    own = 1.2 * treated - treated * share
    return own + 1.2 * share - share**2 + cubic * share**3


def outcomes(chance, effects, n_units, rng, cubic=0.0):
    """Treatments and outcomes of clusters, each of shape (..., n_units)."""
    treated = (rng.random((*np.shape(chance), n_units)) < chance[..., None]).astype(
        float
    )
    share = sum(np.roll(treated, k, axis=-1) for k in (-2, -1, 1, 2)) / 4
    noise = rng.normal(size=treated.shape)
    return treated, effects[..., None] + response(treated, share, cubic) + noise


def experiment(n_pairs, beta, eta, n_units, rng, cubic=0.0):
    """One wave after a baseline, a row per unit and wave."""
    pair, side = np.repeat(np.arange(n_pairs), 2), np.tile([-1.0, 1.0], n_pairs)
    effects = rng.normal(0, 0.5, 2 * n_pairs)
    waves = []
    for wave in (0, 1):
        chance = beta + wave * eta * side
        treated, outcome = outcomes(chance, effects, n_units, rng, cubic)
        columns = {"outcome": outcome.ravel(), "treatment": treated.ravel()}
        columns |= {"pair": pair.repeat(n_units), "side": side.repeat(n_units)}
        waves.append(pd.DataFrame({**columns, "wave": wave}))
    return pd.concat(waves, ignore_index=True)


def population(tenths, n_pairs):
    """Every pattern of treatments as often as its probability says: no noise at all.

    `tenths` are the probabilities of the low and the high side, in tenths.
    """
    rows = []
    for side, chance in zip((-1, 1), tenths, strict=True):
        for pattern in itertools.product([0, 1], repeat=5):
            count = chance ** sum(pattern) * (10 - chance) ** (5 - sum(pattern))
            y = response(pattern[0], sum(pattern[1:]) / 4)
            rows.append((side, pattern[0], y, count))
    frame = pd.DataFrame(rows, columns=["side", "treatment", "outcome", "count"])
    frame["count"] //= np.gcd.reduce(frame["count"])
    frame = frame.loc[frame.index.repeat(frame["count"])]
    return pd.concat(
        [
            frame.assign(pair=f"p{p}", outcome=frame["outcome"] + p)
            for p in range(n_pairs)
        ]
    )


def sd_of_mean(beta, n_units):
    """SD of a cluster's mean outcome, by every pattern of the 13 units that matter."""
    patterns = np.array(list(itertools.product([0.0, 1.0], repeat=13)))
    share = sum(patterns[:, 6 + k - 4 : 6 + k + 5] for k in (-2, -1, 1, 2)) / 4
    values = response(patterns[:, 2:11], share)  # of the unit and 4 on each side
    number = patterns.sum(axis=1)
    chance = beta**number * (1 - beta) ** (13 - number)
    centred = values - chance @ values
    covariances = chance @ (centred * centred[:, [4]])
    return np.sqrt((covariances.sum() + 1) / n_units)
