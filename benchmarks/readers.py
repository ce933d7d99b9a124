"""Readers and articles: a within-subject study in which every reader sees every article.

y_ij = fake_j·0 + 0.1 cue_j + 0.15 fake_j cue_j + 0.05 w_ij + reader_i + article_j + noise,
the cue of an article being one number, so that it has as many observations as articles.
"""

import numpy as np
import pandas as pd

TRUTH = {"fake": 0.0, "cue": 0.1, "fake:cue": 0.15, "w": 0.05}


def trials(rng, n_subjects=42, n_articles=40, article_sd=0.2, slope_sd=0.0):
    """A table of trials and the log fixations; SDs 0.3 of readers and 0.6 of noise."""
    subject, article = (a.ravel() for a in np.mgrid[:n_subjects, :n_articles])
    fake, cue = np.arange(n_articles) % 2, rng.normal(size=n_articles)
    frame = pd.DataFrame(
        {
            "subject": np.array([f"s{i:02}" for i in range(n_subjects)])[subject],
            "article": article,
            "fake": fake[article],
            "cue": cue[article],
            "w": rng.normal(size=len(article)),
        }
    )
    random = rng.normal(0, 0.3, n_subjects)[subject]
    random += rng.normal(0, article_sd, n_articles)[article]
    if slope_sd:
        random += rng.normal(0, slope_sd, n_subjects)[subject] * frame["fake"]
    mean = (TRUTH["cue"] * cue + TRUTH["fake:cue"] * fake * cue)[article]
    y = mean + TRUTH["w"] * frame["w"] + random + rng.normal(0, 0.6, len(article))
    return frame, y.rename("fixations")
