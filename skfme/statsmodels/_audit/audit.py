"""response_audit: whether a model still responds to a feature after it was removed.

Five questions, each with a number before and after: does the prediction respond to the
feature itself, in how many rows, through what goes with it (rows moved as if they came
from another group), does it give the feature away, and what has it cost? How each is
measured lives in the files that this one imports; verdicts and tables beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skfme._frames.checks import checked_weights
from skfme._frames.columns import as_vector
from skfme._frames.hints import shown
from skfme._frames.tables import Table, as_table
from skfme.statsmodels._audit.audit_results import Limits, ResponseAudit
from skfme.statsmodels._audit.audited import Audited, Sensitive, audited
from skfme.statsmodels._audit.leakage import leakage_of, p_value, permuted_labels
from skfme.statsmodels._audit.pockets import pockets_of
from skfme.statsmodels._audit.rows import AuditedRows
from skfme.statsmodels._audit.shares import lower_share
from skfme.statsmodels._audit.transport import mapped_margins, mapped_sequence
from skfme.statsmodels._tree.effect_tree import EffectTree

__all__ = ["response_audit"]

FEWEST_RESAMPLES = 19  # permutations, below which no p-value is at most 0.05


def response_audit(
    before: Any,
    after: Any,
    X: Any,
    sensitive: Any,
    *,
    bound: float,
    y: Any = None,
    leak_bound: float = 0.2,
    least_share: float = 0.95,
    transform: Callable[[Any], Any] | None = None,
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    sample_weight: Any = None,
    clusters: Any = None,
    strata: Any = None,
    tree: EffectTree | None = None,
    alpha: float = 0.05,
    n_resamples: int = 199,
    response_method: str | Callable = "auto",
    output: str | None = None,
    random_state: Any = None,
) -> ResponseAudit:
    """Audit that a model no longer responds to a feature.

    Parameters
    ----------
    before, after : fitted models, or functions of a table
        The model with the feature, and the one that should not respond to it. Each gets
        the columns that it names, or all of X.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows to evaluate on, best such that trained neither model.
    sensitive : column of X, or array-like of shape (n_samples,)
        The feature that was removed: 2 to 12 groups, each compared with the first.
    bound : float
        Responses within ± bound, in units of the prediction, count as none.
    y : array-like of shape (n_samples,), default=None
        The target, for what the removal cost.
    leak_bound : float, default=0.2
        Distance W1 of two groups' predictions, in SDs of the predictions, up to which
        they count as alike. A fitted removal is never exact, so that a bound judges it
        and not a p-value alone.
    least_share : float, default=0.95
        Share of rows that has to respond within ± bound.
    transform : callable, default=None
        X -> the table that `after` gets, such as residuals of group means: a function
        that was fitted on training rows. The direct response is then given with the
        transformed features held, and with rows transformed anew.
    loss : callable, default=None
        (y, prediction) -> loss of each row; None is the squared error.
    sample_weight : column of X, or array-like of shape (n_samples,), default=None
        Weights of all averages, shares and distances, such as inverse probabilities of
        selection; rows of weight 0 do not count.
    clusters : column of X, or array-like of shape (n_samples,), default=None
        Rows of a cluster depend on one another: persons, documents.
    strata : column of X, or array-like of shape (n_samples,), default=None
        Groups are permuted within these.
    tree : EffectTree, default=None
        How pockets are sought; None is ``EffectTree()``.
    alpha : float, default=0.05
        Level of tests, and one minus the coverage of intervals.
    n_resamples : int, default=199
        Permutations, and draws of rows for the intervals of leakage.
    response_method : "auto", str or callable, default="auto"
        As in :class:`skfme.FMEExplainer`.
    output : str, default=None
        Which output, where the models have several.
    random_state : int, RandomState instance or None, default=None
        Of permutations, draws and halves.

    Returns
    -------
    audit : ResponseAudit
        Print it for one verdict a question; ``to_frame()`` has the numbers.

    Raises
    ------
    ValueError
        If the sensitive feature has one value or too many, a group has fewer than 10
        rows, `bound` is not positive, or a parameter has the wrong length.
    TypeError
        If a model is none.

    Notes
    -----
    A direct response of 0 shows nothing where the model does not get the feature:
    others may stand for it. The proxy response moves a row of one group as if it came
    from another, by a map of its numeric features that the two groups' own rows make:
    feature after feature, so that a dependence that differs between groups is carried
    over, and for comparison margin by margin, which is blind to that. Its mean is the
    difference of the groups' mean predictions, whatever the map; categories stay. Maps
    between groups at random have a size too, which its p-value allows for.

    Leakage is what the predictions themselves give away: W1 sees location and scale, the
    difference of means and the AUC see location only, the cross-fitted AUC sees both.

    An average within the bound says nothing of few rows that respond: their share has a
    bound of its own, and pockets are sought by a tree on half of the rows and estimated
    on the other.

    References
    ----------
    Schuirmann (1987). A comparison of the two one-sided tests procedure and the power
    approach. J. Pharmacokinetics and Biopharmaceutics 15, 657-680.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme.statsmodels import response_audit
    >>> rng = np.random.default_rng(0)
    >>> z = rng.integers(2, size=600)
    >>> X = pd.DataFrame({"z": z, "a": z + rng.normal(size=600)})
    >>> y = X["a"] + 0.5 * z
    >>> before = LinearRegression().fit(X, y)
    >>> after = LinearRegression().fit(X[["a"]], y)
    >>> audit = response_audit(before, after, X, "z", bound=0.1, random_state=0)
    >>> audit.passed  # doctest: +NORMALIZE_WHITESPACE
    {'direct': True, 'rows': True, 'pockets': True, 'proxy': False, 'leakage': False}
    """
    table = as_table(X)
    limits = _limits(bound, leak_bound, least_share, alpha)
    _check(limits, n_resamples)
    weights = checked_weights(sample_weight, table)
    group = Sensitive.of(table, sensitive, weights.whole() > 0)
    models = (
        audited(before, table, response_method, output, None),
        audited(after, table, response_method, output, transform),
    )
    rows = AuditedRows.of(table, clusters, strata, group, weights.array)
    seed = check_random_state(random_state).randint(2**31 - 1)
    asked = _Audit(table, group, models, rows, limits, n_resamples, seed)
    figures, responses = asked.figures()
    if y is not None:
        figures += asked.utility(as_vector(y, len(table), "y"), loss)
    return ResponseAudit(
        group.name,
        limits,
        pd.DataFrame(figures),
        asked.pockets(responses["direct"], tree),
        tuple(group.title(pair) for pair in group.pairs),
        group.codes,
        tuple(map(str, group.values)),
        tuple(model.predictions for model in models),
        responses,
        weights.array,
        after_reads=group.key is not None and models[1].reads(group.key),
    )


def _limits(*values: Any) -> Limits:
    names = ("bound", "leak_bound", "least_share", "alpha")
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, Real):
            raise ValueError(f"{name} must be a number, got {shown(value)}.")
    return Limits(*map(float, values))


def _check(limits: Limits, n_resamples: int) -> None:
    if not limits.bound > 0:
        raise ValueError(
            "bound must be a positive number in units of the prediction: the response "
            f"that counts as none; got {limits.bound!r}."
        )
    if not limits.leak > 0:
        raise ValueError(f"leak_bound must be positive, got {limits.leak!r}.")
    for name, value in (("least_share", limits.share), ("alpha", limits.alpha)):
        if not 0 < value < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {value!r}.")
    fewest = max(FEWEST_RESAMPLES, _fewest(limits.alpha))
    given: Any = n_resamples
    if not isinstance(given, Integral) or given < fewest:
        raise ValueError(
            f"n_resamples must be a whole number of at least {fewest}, below which no "
            f"permutation shows a leak at the level of {min(limits.alpha, 0.05):g}; got "
            f"{shown(n_resamples)}."
        )


def _fewest(alpha: float) -> int:
    """Permutations, below which no p-value is at most alpha."""
    return math.ceil(1 / alpha - 1e-9) - 1


@dataclass(frozen=True)
class _Audit:
    """The measurements, pair of groups by pair of groups."""

    table: Table
    group: Sensitive
    models: tuple[Audited, Audited]
    rows: AuditedRows
    limits: Limits
    n_resamples: int
    seed: int

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose])

    def figures(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Lines of the table, and the responses of rows by pair."""
        lines: list[dict[str, Any]] = []
        direct, proxy = {}, {}
        for number, pair in enumerate(self.group.pairs):
            title = self.group.title(pair)
            effects = [model.direct(self.group, pair) for model in self.models]
            new = self._direct("direct", title, *effects)
            if self.models[1].transform is not None:
                again = self.models[1].direct_through(self.table, self.group, pair)
                name = "direct, transformed anew"
                new += self._direct(name, title, effects[0], again)
            direct[title] = effects
            moved = [self._proxy(model, pair) for model in self.models]
            proxy[title] = [values[0] for values in moved]
            lines += new + self._proxy_lines(title, pair, moved)
            lines += self._leakage(title, pair, number)
        return lines, {"direct": direct, "proxy": proxy}

    def _line(
        self, question: str, quantity: str, title: str, before: Any, after: Any
    ) -> dict[str, Any]:
        return {
            "question": question,
            "quantity": quantity,
            "contrast": title,
            "before": float(before),
            "after": float(after),
            "conf_low": np.nan,
            "conf_high": np.nan,
            "p_value": np.nan,
        }

    def _direct(
        self, question: str, title: str, before: np.ndarray, after: np.ndarray
    ) -> list[dict[str, Any]]:
        """AME with its test of equivalence, sizes, and the share of rows inside."""
        bound, alpha, rows = self.limits.bound, self.limits.alpha, self.rows
        ame = rows.estimate(after)
        low, high = ame.interval(2 * alpha)
        size = rows.estimate(np.abs(after) - np.abs(before))
        sizes = [np.where(rows.w > 0, np.abs(fme), 0.0) for fme in (before, after)]
        inside = [fme <= bound for fme in sizes]
        shares = [rows.mean(part.astype(float)) for part in inside]

        def line(quantity: str, *values: Any) -> dict[str, Any]:
            return self._line(question, quantity, title, *values)

        return [
            line("ame", rows.mean(before), ame.mean)
            | {"conf_low": low, "conf_high": high, "p_value": ame.equivalence(bound)},
            line("mean_abs", *map(rows.mean, sizes)),
            line("max_abs", *(part.max() for part in sizes)),
            line("largest_row", *map(_largest, sizes)),
            line("change_of_abs", np.nan, size.mean)
            | dict(zip(("conf_low", "conf_high"), size.interval(alpha), strict=True)),
            line("share_within", *shares)
            | {"conf_low": lower_share(inside[1], rows.units, alpha, rows.weights)},
        ]

    def _proxy(self, model: Audited, pair: tuple[int, int]) -> list[np.ndarray]:
        """Responses of both groups' rows to being moved, by two maps."""
        maps = (mapped_sequence, mapped_margins)
        return [self._moved(model, pair, self.group.codes, of) for of in maps]

    def _moved(
        self, model: Audited, pair: tuple[int, int], codes: np.ndarray, mapped: Any
    ) -> np.ndarray:
        """Responses to being moved, from the first group to the second; NaN of others."""
        own = self.group.key
        positions = [p for p in model.numeric if model.table.names[p] != own]
        numbers = model.numbers(positions)
        w = self.rows.w
        complete = ~np.isnan(numbers).any(axis=1) & (w > 0)
        response = np.full(len(self.table), np.nan)
        for start, goal, sign in ((*pair, 1), (*pair[::-1], -1)):
            here, there = (
                np.flatnonzero((codes == g) & complete) for g in (start, goal)
            )
            moved = mapped(numbers[here], numbers[there], (w[here], w[there]))
            after = model.predict(model.with_numbers(here, positions, moved))
            response[here] = sign * (after - model.predictions[here])
        return response

    def _proxy_lines(
        self, title: str, pair: tuple[int, int], moved: list[Any]
    ) -> list[dict[str, Any]]:
        """Means and mean sizes, with a test of the size against groups at random."""
        lines = []
        for k, name in enumerate(("", "_per_feature")):
            for quantity, take in (("mean", np.asarray), ("mean_abs", np.abs)):
                before, after = (self.rows.mean(take(own[k])) for own in moved)
                lines.append(self._line("proxy", quantity + name, title, before, after))
        size = lines[1]
        size["p_value"] = p_value(size["after"], self._sizes_at_random(pair))
        return lines

    def _sizes_at_random(self, pair: tuple[int, int]) -> np.ndarray:
        """Sizes of the proxy response that maps between groups at random have."""
        rows, rng = np.flatnonzero(np.isin(self.group.codes, pair)), self._rng(2000)
        member, part = self.group.codes[rows] == pair[1], self.rows.at(rows)
        sizes = []
        for _ in range(max(FEWEST_RESAMPLES, _fewest(self.limits.alpha))):
            labels = permuted_labels(member, part.permuted, part.strata, rng)
            codes = np.full(len(self.table), -1)
            codes[rows] = np.where(labels, pair[1], pair[0])
            response = self._moved(self.models[1], pair, codes, mapped_sequence)
            sizes.append(self.rows.mean(np.abs(response)))
        return np.array(sizes)

    def _leakage(
        self, title: str, pair: tuple[int, int], number: int
    ) -> list[dict[str, Any]]:
        rows = np.flatnonzero(np.isin(self.group.codes, pair))
        member, part = self.group.codes[rows] == pair[1], self.rows.at(rows)
        before, after = (
            leakage_of(
                model.predictions[rows],
                member,
                (part.permuted, part.strata),
                part.units,
                self.n_resamples,
                self.limits.alpha,
                self._rng(number),
                part.weights,
            )
            for model in self.models
        )
        return [
            self._line("leakage", name, title, before.estimates[name], value)
            | {
                "conf_low": after.low[name],
                "conf_high": after.high[name],
                "p_value": after.pvalues[name],
            }
            for name, value in after.estimates.items()
        ]

    def pockets(self, direct: dict[str, Any], tree: EffectTree | None) -> pd.DataFrame:
        """Regions in which the model still responds, of each pair."""
        found = []
        for title, (_, after) in direct.items():
            limits = self.limits
            options = (tree, limits.bound, limits.alpha, self._rng(1000))
            frame = pockets_of(
                self.table, after, self.rows.units, *options, self.rows.weights
            )
            frame.insert(0, "contrast", title)
            found.append(frame)
        return pd.concat(found, ignore_index=True)

    def utility(self, y: np.ndarray, loss: Any) -> list[dict[str, Any]]:
        """Mean loss before and after, their paired difference, and R²."""
        y = self.models[1].target(y)
        unknown = np.flatnonzero(~np.isfinite(y))
        if len(unknown):
            raise ValueError(
                f"y is missing or infinite in {len(unknown)} rows (the first is "
                f"{unknown[0]}), whose loss is not known. Leave these rows out, or y."
            )
        losses = [
            np.asarray((loss or _squared)(y, model.predictions), dtype=float)
            for model in self.models
        ]
        before, after = losses
        if before.shape != y.shape:
            raise ValueError(
                f"loss returned an array of shape {before.shape}; expected {y.shape}: "
                "the loss of each row."
            )
        mean, paired = self.rows.mean, self.rows.estimate(after - before)
        low, high = paired.interval(self.limits.alpha)
        lines = [
            self._line("utility", "mean_loss", "", mean(before), mean(after)),
            self._line("utility", "change_of_loss", "", np.nan, paired.mean)
            | {"conf_low": low, "conf_high": high},
        ]
        variance = mean((y - mean(y)) ** 2)
        if loss is None and variance > 0:
            shares = (1 - mean(part) / variance for part in losses)
            lines.append(self._line("utility", "r2", "", *shares))
        return lines


def _largest(sizes: np.ndarray) -> float:
    """The row with the largest size; NaN where none responds."""
    return float(np.argmax(sizes)) if sizes.any() else np.nan


def _squared(y: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return (y - prediction) ** 2
