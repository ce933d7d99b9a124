"""Quadrature rules on [0, 1] for the non-linearity measure, over numbers alone.

With f the prediction along the path γ(t) = x + t·h, Δ = f(1) − f(0) and m = ∫ f dt,

    NLM = 1 − ∫ (f(t) − f(0) − t Δ)² dt / ∫ (f(t) − m)² dt

(Scholbeck et al., 2024, definition of the NLM): 1 on a straight line, 0 where the
line from start to end explains no better than the constant m, without lower bound.
All sums are of f(t) − f(0), so that small probabilities lose no digits. How a model
predicts along the path lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from skfme._frames.hints import shown

__all__ = ["Adaptive", "GaussLegendre", "Rule", "Simpson38"]

# (rows of shape (r,), t of shape (r, m)) -> values of shape (r, m, n_outputs)
Path = Callable[[np.ndarray, np.ndarray], np.ndarray]

CONSTANT_ULPS = 8
_MOST_VALUES = 2**22  # path values held at once, 32 MiB


class Rule:
    """How the integrals along a step are computed. The base of all rules."""

    def _measure(
        self, path: Path, start: np.ndarray, end: np.ndarray, resolution: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """NLM of every row and output.

        Parameters
        ----------
        path : callable
            Predictions at points of the path: rows of shape (r,) and t of shape
            (r, m) give values of shape (r, m, n_outputs).
        start, end : ndarray of shape (n, n_outputs)
            Predictions at t = 0 and t = 1.
        resolution : float
            Machine epsilon of the predictions' own type.

        Returns
        -------
        nlm : ndarray of shape (n, n_outputs)
            NaN where the path is constant.
        converged : ndarray of shape (n,), bool
        """
        n, n_outputs = start.shape
        nlm, converged = np.empty((n, n_outputs)), np.empty(n, dtype=bool)
        most = max(1, _MOST_VALUES // (self._n_points() * n_outputs))
        for first in range(0, n, most):
            rows = np.arange(first, min(first + most, n))
            paths = _Paths(path, rows, start[rows], end[rows], resolution)
            nlm[rows], converged[rows] = self._of_paths(paths)
        return nlm, converged

    def _n_points(self) -> int:
        """Predictions of a row that are held at once; refuses wrong parameters."""
        raise NotImplementedError

    def _of_paths(self, paths: _Paths) -> tuple[np.ndarray, np.ndarray | bool]:
        """NLM of shape (r, n_outputs), and whether each of r rows converged."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Paths:
    """The paths of some rows: predictions along them, and at both ends."""

    path: Path
    rows: np.ndarray
    start: np.ndarray
    end: np.ndarray
    resolution: float

    def nlm(self, off: np.ndarray, total: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """1 − off / total; NaN where the path is constant but for rounding."""
        least = CONSTANT_ULPS * self.resolution * np.maximum(scale, abs(self.end))
        varies = np.sqrt(np.maximum(total, 0)) > least
        ratio = np.full(off.shape, np.nan)
        np.divide(off, total, out=ratio, where=varies)
        return 1 - ratio


class _FixedRule(Rule):
    """The same nodes for every row."""

    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights of shape (m,)."""
        raise NotImplementedError

    def _n_points(self) -> int:
        return len(self._nodes()[0])

    def _of_paths(self, paths: _Paths) -> tuple[np.ndarray, np.ndarray | bool]:
        t, weights = self._nodes()
        rows, start, end = paths.rows, paths.start, paths.end
        inside = (t > 0) & (t < 1)
        values = np.empty((len(rows), len(t), start.shape[1]))
        values[:, t == 0] = start[:, None]
        values[:, t == 1] = end[:, None]
        points = np.broadcast_to(t[inside], (len(rows), inside.sum()))
        values[:, inside] = paths.path(rows, points)
        scale = np.maximum(np.abs(values).max(axis=1), abs(start))
        values -= start[:, None]
        mean = np.einsum("m,rmk->rk", weights, values)
        total = np.einsum("m,rmk->rk", weights, (values - mean[:, None]) ** 2)
        line = t[:, None] * (end - start)[:, None]
        off = np.einsum("m,rmk->rk", weights, (values - line) ** 2)
        return paths.nlm(off, total, scale), True


@dataclass(frozen=True)
class Simpson38(_FixedRule):
    """Composite Simpson 3/8 rule, the rule of the R package fmeffects.

    Parameters
    ----------
    n_intervals : int, default=1
        Four nodes each, ends shared: 3 · n_intervals − 1 predictions a row beyond
        those that the effect itself needs. Error of order n_intervals⁻⁴ on smooth
        paths.

    Examples
    --------
    >>> from skfme import Simpson38
    >>> Simpson38(n_intervals=5)
    Simpson38(n_intervals=5)
    """

    n_intervals: int = 1

    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        s = _positive(self.n_intervals, "Simpson38(n_intervals=…)")
        weights = np.full(3 * s + 1, 3.0)
        weights[::3] = 2
        weights[[0, -1]] = 1
        return np.arange(3 * s + 1) / (3 * s), weights / (8 * s)


@dataclass(frozen=True)
class GaussLegendre(_FixedRule):
    """Gauss-Legendre rule: on smooth paths the most digits for each prediction.

    Parameters
    ----------
    n_nodes : int, default=8
        Predictions a row. Polynomials of degree below n_nodes are measured exactly;
        on a path with jumps the error falls only as 1 / n_nodes.
    """

    n_nodes: int = 8

    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        m = _positive(self.n_nodes, "GaussLegendre(n_nodes=…)")
        nodes, weights = np.polynomial.legendre.leggauss(m)
        return (nodes + 1) / 2, weights / 2


def _positive(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{what} must be a positive integer, got {value!r}.")
    return int(value)


# Nodes and weights of the 15-point Kronrod rule on [−1, 1] and of the 7-point Gauss
# rule on every second of them (Kronrod 1965; Piessens et al., QUADPACK, 1983).
_KRONROD = np.array(
    [
        [0.991455371120812639206854697526329, 0.022935322010529224963732008058970],
        [0.949107912342758524526189684047851, 0.063092092629978553290700663189204],
        [0.864864423359769072789712788640926, 0.104790010322250183839876322541518],
        [0.741531185599394439863864773280788, 0.140653259715525918745189590510238],
        [0.586087235467691130294144691693013, 0.169004726639267902826583426598550],
        [0.405845151377397166906606412076961, 0.190350578064785409913256402421014],
        [0.207784955007898467600689403773245, 0.204432940075298892414161999234649],
        [0.0, 0.209482141084727828012999174891714],
    ]
)
_GAUSS = np.array(
    [
        0.129484966168869693270611432679082,
        0.279705391489276667901467771423780,
        0.381830050505118944950369775488975,
        0.417959183673469387755102040816327,
    ]
)


def kronrod_nodes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes on [0, 1] with the Kronrod weights and the embedded Gauss weights."""
    x, w = _KRONROD.T
    nodes = np.concatenate([-x, x[-2::-1]])
    weights = np.concatenate([w, w[-2::-1]])
    gauss = np.zeros(15)
    gauss[1::2] = np.concatenate([_GAUSS, _GAUSS[-2::-1]])
    return (nodes + 1) / 2, weights / 2, gauss / 2


@dataclass(frozen=True)
class Adaptive(Rule):
    """Gauss-Kronrod pairs of 7 and 15 nodes, halved where a row has not converged.

    Parameters
    ----------
    tol : float, default=1e-6
        Wanted accuracy of each NLM, by the difference between the pair.
    max_nodes : int, default=1000
        Predictions a row at most. Rows that stop there are counted as not converged;
        each jump on a path takes some 30 predictions for every digit of base 2.
    """

    tol: float = 1e-6
    max_nodes: int = 1000

    def _n_points(self) -> int:
        tol: Any = self.tol
        if not isinstance(tol, Real) or not float(tol) > 0:
            raise ValueError(f"Adaptive(tol=…) must be positive, got {tol!r}.")
        _positive(self.max_nodes, "Adaptive(max_nodes=…)")
        return 30

    def _of_paths(self, paths: _Paths) -> tuple[np.ndarray, np.ndarray | bool]:
        r = len(paths.rows)
        panels = _Panels(paths)
        panels.add(np.arange(r), np.zeros(r), np.ones(r))
        used = np.full(r, 15)
        while True:
            nlm, error, share = panels.estimate()
            # Panels below an equal share of half the tolerance can stay as they are.
            equal = self.tol / 2 / np.bincount(panels.owner, minlength=r)
            chosen = (error > self.tol)[panels.owner] & (share > equal[panels.owner])
            left = (self.max_nodes - used) // 30
            chosen &= _rank_within(panels.owner, share, chosen) < left[panels.owner]
            if not chosen.any():
                return nlm, error <= self.tol
            used += 30 * np.bincount(panels.owner[chosen], minlength=r)
            panels.halve(chosen)


def _rank_within(
    owner: np.ndarray, share: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Each panel's rank among its row's, the largest share of the chosen first."""
    order = np.lexsort((-share, ~chosen, owner))
    starts = np.searchsorted(owner[order], owner[order], side="left")
    rank = np.empty(len(owner), dtype=np.intp)
    rank[order] = np.arange(len(owner)) - starts
    return rank


class _Panels:
    """Pieces of the paths of some rows, with the integrals over each.

    With u = f(t) − f(0), its mean ū over the piece and Δ = f(1) − f(0), the integrals are
    of u, (u − ū)² and (u − Δt)²: no difference of larger numbers is taken.
    """

    def __init__(self, paths: _Paths) -> None:
        self._paths = paths
        self._rule = kronrod_nodes()
        k = paths.start.shape[1]
        self.owner = np.empty(0, dtype=np.intp)
        self.low, self.width = np.empty(0), np.empty(0)
        self._integrals = np.empty((0, 3, k))
        self._errors = np.empty((0, 3, k))
        self._scale = np.abs(paths.start)
        self._delta = paths.end - paths.start

    def add(self, owner: np.ndarray, low: np.ndarray, width: np.ndarray) -> None:
        nodes, kronrod, gauss = self._rule
        t = low[:, None] + width[:, None] * nodes
        values = self._paths.path(self._paths.rows[owner], t)
        np.maximum.at(self._scale, owner, np.abs(values).max(axis=1))
        u = values - self._paths.start[owner][:, None]
        mean = np.einsum("m,pmk->pk", kronrod, u)
        off = u - t[:, :, None] * self._delta[owner][:, None]
        terms = np.stack([u, (u - mean[:, None]) ** 2, off**2], axis=1)
        width_ = width[:, None, None]
        integrals = width_ * np.einsum("m,pjmk->pjk", kronrod, terms)
        rough = width_ * np.einsum("m,pjmk->pjk", gauss, terms)
        self.owner = np.concatenate([self.owner, owner])
        self.low = np.concatenate([self.low, low])
        self.width = np.concatenate([self.width, width])
        self._integrals = np.concatenate([self._integrals, integrals])
        self._errors = np.concatenate([self._errors, np.abs(integrals - rough)])

    def halve(self, chosen: np.ndarray) -> None:
        owner, low = self.owner[chosen], self.low[chosen]
        half = self.width[chosen] / 2
        for name in ("owner", "low", "width", "_integrals", "_errors"):
            setattr(self, name, getattr(self, name)[~chosen])
        self.add(
            np.concatenate([owner, owner]),
            np.concatenate([low, low + half]),
            np.concatenate([half, half]),
        )

    def estimate(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """NLM and its error per row, and each panel's share of the error.

        The variance of u over the path is that within its pieces plus that of their
        means; the error of off / total is propagated from those of the integrals.
        """
        n, owner = len(self._delta), self.owner
        sums = np.zeros((n, 3, self._delta.shape[1]))
        np.add.at(sums, owner, self._integrals)
        mean, total, off = sums[:, 0], sums[:, 1], sums[:, 2]
        width = self.width[:, None]
        apart = self._integrals[:, 0] / width - mean[owner]
        np.add.at(total, owner, width * apart**2)
        nlm = self._paths.nlm(off, total, self._scale)
        # Undefined NLMs have no error.
        safe = np.where(np.isnan(nlm), np.inf, total)
        d_mean, d_within, d_off = np.moveaxis(self._errors, 1, 0)
        share = (1 / safe)[owner] * d_off
        share += (off / safe / safe)[owner] * (d_within + 2 * np.abs(apart) * d_mean)
        worst = share.max(axis=1)
        error = np.bincount(owner, worst, minlength=n)
        return nlm, error, worst


@dataclass(frozen=True)
class _Best(GaussLegendre):
    """The rule of nlm=True: exact integration where an engine can, else 8 nodes."""


def is_best(rule: Rule) -> bool:
    """Whether an engine may integrate exactly instead."""
    return isinstance(rule, _Best)


def rule_name(rule: Rule) -> str:
    """The rule as a user writes it, such as ``GaussLegendre(n_nodes=8)``."""
    return repr(GaussLegendre(rule.n_nodes) if isinstance(rule, _Best) else rule)


def rules_together(*names: str) -> str:
    """The names of rules that measured some of the rows each; without repeats."""
    parts = [part for name in names for part in name.split(" and ") if part]
    return " and ".join(sorted(set(parts)))


_BY_NAME: dict[str, Rule] = {
    "simpson38": Simpson38(),
    "gauss-legendre": GaussLegendre(),
    "adaptive": Adaptive(),
}


def as_rule(nlm: Any) -> Rule | None:
    """The rule that `nlm` names; None for False.

    Raises
    ------
    ValueError
        If it is neither a boolean, a rule's name nor a rule.
    """
    if isinstance(nlm, Rule):
        return nlm
    if isinstance(nlm, (bool, np.bool_)):
        return _Best() if nlm else None
    if isinstance(nlm, str) and nlm in _BY_NAME:
        return _BY_NAME[nlm]
    raise ValueError(
        f"nlm must be False, True, one of {', '.join(map(repr, _BY_NAME))}, or a rule such "
        f"as GaussLegendre(16); got {shown(nlm)}."
    )
