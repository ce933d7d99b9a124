"""Models scored on the same examples, which differ in how hard they are.

Correctness is Bernoulli with logit 1 + u_i − 0.8 h_i + skill, u ~ N(0, 1.5²) and h in 40 %
of the examples. With skills 0 and 0.35 the accuracies are 0.6166 and 0.6730.
"""

import numpy as np
import pandas as pd

SKILLS = {"a": 0.0, "b": 0.35, "c": 0.35}
CONTRAST = 5.65  # of a and b, in percentage points


def evaluation(rng, n=300, skills=None):
    """One row per example and model; seed 1 is the worked case of the tests."""
    skills = SKILLS if skills is None else skills
    luck, hard = rng.normal(0, 1.5, n), rng.random(n) < 0.4
    logit = (1 + luck - 0.8 * hard)[:, None] + np.array(list(skills.values()))
    right = rng.random((n, len(skills))) < 1 / (1 + np.exp(-logit))
    return pd.DataFrame(
        {
            "example": np.repeat(np.arange(n), len(skills)),
            "model": np.tile(list(skills), n),
            "hard": np.repeat(hard, len(skills)).astype(int),
            "right": right.ravel().astype(int),
        }
    )


def over_data_sets(rng, n_models=2, n_sets=8, n_seeds=20):
    """Equal models, SD 0.02 of model × data set, on runs of some seeds each."""
    by_set = 0.02 * rng.normal(size=(n_models, n_sets, 1))
    values = 0.8 + by_set + 0.03 * rng.normal(size=(n_models, n_sets, n_seeds))
    model, dataset, seed = np.indices(values.shape).reshape(3, -1)
    columns = {"model": model, "set": dataset, "run": 100 * dataset + seed}
    return pd.DataFrame(columns | {"score": values.ravel()})
