"""Learners whose averages of effects have a known distribution over refits."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin


class MeanSlope(RegressorMixin, BaseEstimator):
    """The prediction rises by the mean of y for each unit of the first column."""

    def fit(self, X, y, sample_weight=None):
        self.slope_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return self.slope_ * np.asarray(X)[:, 0].astype(float)


class Parabola(RegressorMixin, BaseEstimator):
    """The square of the first column, whatever it is fitted on."""

    def fit(self, X, y):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0].astype(float) ** 2


class SeedSlope(RegressorMixin, BaseEstimator):
    """A slope of which part is the mean of y, and part is drawn by the seed."""

    def __init__(self, data=1.0, noise=1.0, random_state=None):
        self.data = data
        self.noise = noise
        self.random_state = random_state

    def fit(self, X, y):
        drawn = np.random.default_rng(self.random_state).normal()
        self.slope_ = self.data * np.asarray(y).mean() + self.noise * drawn
        return self

    def predict(self, X):
        return self.slope_ * np.asarray(X)[:, 0].astype(float)


class Remembers(RegressorMixin, BaseEstimator):
    """Its slope in the first column is 1 for rows whose second column it has seen."""

    fitted: ClassVar[list] = []

    def fit(self, X, y, sample_weight=None):
        self.seen_ = np.unique(np.asarray(X)[:, 1])
        Remembers.fitted.append((np.array(X), np.array(y), sample_weight))
        return self

    def predict(self, X):
        X = np.asarray(X, dtype=float)
        return X[:, 0] * np.isin(X[:, 1], self.seen_)


class FailsAbove(MeanSlope):
    """Refuses a target whose mean lies above a limit."""

    def __init__(self, limit=np.inf):
        self.limit = limit

    def fit(self, X, y):
        if np.asarray(y).mean() > self.limit:
            raise FloatingPointError(f"the mean of y exceeds {self.limit:.3f}")
        return super().fit(X, y)
