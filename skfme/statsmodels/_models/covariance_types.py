"""Results of statsmodels with another covariance than they were fitted with.

With the covariance come the degrees of freedom and whether t or the normal distribution is
used, as statsmodels has them: of G clusters G − 1, in the way where they are fewer.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.hints import known_names, nearest, shown
from skfme.statsmodels._models.fit_rows import entries_of_fit
from skfme.statsmodels._models.fitted import FittedResults

__all__ = ["of_type"]

_KERNEL = ("maxlags", "kernel", "weights_func", "use_correction")
_ROBUST = ("scaling_factor",)
# What statsmodels takes with each type; the rest it would pass over in silence.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "nonrobust": (),
    **dict.fromkeys(("hc0", "hc1", "hc2", "hc3"), _ROBUST),
    "hac": (*_KERNEL, *_ROBUST),
    **dict.fromkeys(
        ("cluster", "cluster-crv3", "cluster-jk"),
        ("groups", "use_correction", "df_correction", *_ROBUST),
    ),
    "hac-panel": ("groups", "time", "df_correction", *_KERNEL, *_ROBUST),
    "hac-groupsum": ("time", "df_correction", *_KERNEL, *_ROBUST),
}


def of_type(
    fitted: FittedResults, cov_type: str, cov_kwds: Mapping | None
) -> FittedResults:
    """The fit with a covariance of another type, and its degrees of freedom.

    Raises
    ------
    ValueError
        If the results cannot take it after the fit, or it does not take the options.
    """
    # A copy, as statsmodels changes the results in place.
    results = copy.copy(getattr(fitted.results, "_results", fitted.results))
    if not hasattr(results, "_get_robustcov_results"):
        raise ValueError(
            f"{fitted.name} results cannot take another cov_type after the fit. Refit "
            f"with fit(cov_type={cov_type!r}), or give the matrix as cov."
        )
    options = dict(cov_kwds or {})
    _refuse_other(fitted, cov_type, options)
    _refuse_unknown(cov_type, options)
    use_t = _read_use_t(options, results)
    _read_rows(fitted, options)
    vars(results).pop("df_resid_inference", None)  # of the fit's own clusters
    if cov_type == "nonrobust":
        vars(results).pop("cov_params_default", None)
    try:
        results._get_robustcov_results(cov_type=cov_type, **options)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"cov_type={cov_type!r} with cov_kwds={{{_described(options)}}} failed: "
            f"{type(error).__name__}: {error}"
        ) from error
    results.use_t = use_t
    return replace(fitted, results=results)


def _refuse_other(fitted: FittedResults, cov_type: str, options: Mapping) -> None:
    """Refuse a type that regressions of effects take, and clusters without labels."""
    kind = str(cov_type)
    if kind.upper() in ("CR0", "CR1", "CR2", "CR3", "CRV1", "CRV3"):
        raise ValueError(
            f"cov_type={cov_type!r} is no type of statsmodels. delta_effects takes clusters "
            "by cov_type='cluster', cov_kwds={'groups': …}; 'CR3' is taken by "
            "average_effects and by fit() of ConditionalEffects, which have the error of "
            "rows."
        )
    if kind.lower().startswith("cluster") and options.get("groups") is None:
        raise ValueError(
            f"cov_type={cov_type!r} needs cov_kwds={{'groups': …}}: a column of the data that "
            f"{fitted.name} was fitted on, or one label for each row; a list of two "
            "clusters in two ways."
        )


def _refuse_unknown(cov_type: str, options: Mapping[Hashable, Any]) -> None:
    taken = _OPTIONS.get(str(cov_type).lower())
    unknown = (
        [] if taken is None else [k for k in options if k not in (*taken, "use_t")]
    )
    if unknown:
        names = [*(taken or ()), "use_t"]
        raise ValueError(
            f"cov_kwds has {', '.join(map(repr, unknown))}, which cov_type={cov_type!r} does "
            "not take." + (nearest(unknown[0], names) or known_names(names))
        )


def _read_use_t(options: dict, results: Any) -> bool:
    """Whether t is used: what the options say, else what the fit has."""
    use_t = options.pop("use_t", getattr(results, "use_t", False))
    if not isinstance(use_t, bool | np.bool_):
        raise ValueError(
            f"cov_kwds['use_t'] must be True or False, got {shown(use_t)}."
        )
    return bool(use_t)


def _read_rows(fitted: FittedResults, options: dict) -> None:
    """What is given by rows, as arrays for the rows of the fit."""
    for name in ("groups", "time"):
        if fitted.model.endog is None or options.get(name) is None:
            continue
        what = f"cov_kwds[{name!r}]"
        entries = entries_of_fit(fitted.model, options[name], what)
        frame = pd.DataFrame(entries)
        missing = int(frame.isna().any(axis=1).sum())
        if missing:
            raise ValueError(
                f"{what} is missing in {missing} rows of the fit. Give these rows a label of "
                "their own, or fit the model without them."
            )
        if name == "groups":  # text, too, as codes
            codes = [pd.factorize(column)[0] for _, column in frame.items()]
            if min(column.max() for column in codes) < 1:
                raise ValueError(
                    f"{what} puts all rows in one cluster; at least two are expected."
                )
            entries = np.squeeze(np.transpose(codes))
        options[name] = entries


def _described(options: Mapping) -> str:
    return ", ".join(f"{key!r}: {shown(value)}" for key, value in options.items())
