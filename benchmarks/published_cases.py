"""Delta-method averages against numbers that R's marginaleffects and Stata published.

Run as ``python benchmarks/published_cases.py FOLDER``, where the folder holds
``cases.json`` and the data it names. Every case is a model to fit, rows, a step and the
published estimate and standard error; it agrees where both lie within the case's own
relative tolerances. Exits with 1 if a case does not.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

from skfme import Contrast
from skfme.statsmodels import EffectResults, delta_effects

LINKS = sm.families.links
FAMILIES = {
    "binomial": sm.families.Binomial,
    "poisson": sm.families.Poisson,
    "gamma": sm.families.Gamma,
    "gaussian": sm.families.Gaussian,
    "invgauss": sm.families.InverseGaussian,
}
LINK_NAMES = {
    "logit": LINKS.Logit,
    "probit": LINKS.Probit,
    "cloglog": LINKS.CLogLog,
    "log": LINKS.Log,
    "identity": LINKS.Identity,
}
COLUMN_OPTIONS = ("weights", "freq_weights", "var_weights", "exposure", "groups")


def fitted(case: dict, data: pd.DataFrame):
    """The model of a case, fitted."""
    options = dict(case.get("fit", {}))
    fit_kwargs = dict(options.pop("fit_kwargs", {}))
    alpha, reml = options.pop("alpha", None), options.pop("reml", None)
    columns = {k: data[v] for k, v in options.items() if k in COLUMN_OPTIONS}
    columns = {k: v if k == "groups" else v.to_numpy() for k, v in columns.items()}
    cov_kwds = dict(case.get("cov_kwds", {}))
    if "groups" in cov_kwds:
        cov_kwds["groups"] = pd.factorize(data[cov_kwds["groups"]])[0]
    if case["cov_type"] != "nonrobust":
        fit_kwargs |= {"cov_type": case["cov_type"], "cov_kwds": cov_kwds}
    if reml is not None:
        fit_kwargs["reml"] = reml
    kind, formula = case["model"], case["formula"]
    if kind.startswith("glm-"):
        if kind == "glm-negbin":
            family = sm.families.NegativeBinomial(alpha=alpha)
        else:
            _, name, link = kind.split("-")
            family = FAMILIES[name](LINK_NAMES[link]())
        return smf.glm(formula, data, family=family, **columns).fit(**fit_kwargs)
    if kind in ("logit", "poisson", "mnlogit", "negbin"):
        fit_kwargs |= {"disp": 0}
    return getattr(smf, kind)(formula, data, **columns).fit(**fit_kwargs)


def steps_of(step: dict, start: dict) -> dict:
    """The step of a case; from a start value it is a contrast."""
    return {
        name: Contrast(start[name], value) if name in start else value
        for name, value in step.items()
    }


def effects_of(case: dict, data: pd.DataFrame) -> EffectResults:
    """The case's effects, on rows moved to where it starts from."""
    results = fitted(case, data)
    rows, start = data.copy(), dict(case.get("start", {}))
    for name, amount in case.get("shift", {}).items():
        rows[name] = rows[name] + amount
    for name, value in start.items():
        if name not in case["step"]:
            rows[name] = value
    steps = [steps_of(case["step"], start)]
    if "contrast_with" in case:
        steps.append(steps_of(case["contrast_with"]["step"], start))
    by = case["by"]
    if case.get("level") == "rows":
        by = pd.Series(np.arange(len(data)), name="row")
    elif by is not None:
        names = by if isinstance(by, list) else [by]
        by = data[names].astype(str).agg("|".join, axis=1).rename("level")
    exposure = case.get("fit", {}).get("exposure")
    weights = data[case["weights"]] if "weights" in case else None
    effects = delta_effects(
        results, rows, steps, by=by, sample_weight=weights, exposure=exposure
    )
    if "contrast_with" in case:
        effects = effects.contrasts([1.0, -1.0])
    return effects


def gaps(case: dict, effects: EffectResults) -> tuple[float, float]:
    """Largest relative distance of estimates and of standard errors."""
    frame = effects.to_frame()
    estimates = frame["estimate"].to_numpy()
    errors = frame["std_error"].to_numpy() * case.get("se_factor", 1.0)
    want, want_se = case["estimate"], case["std_error"]
    if isinstance(want, dict):
        found = {str(level): i for i, level in enumerate(frame["level"])}
        order = [found[level] for level in want]
        estimates, errors = estimates[order], errors[order]
        want, want_se = list(want.values()), list(want_se.values())
    want, want_se = np.atleast_1d(want), np.atleast_1d(want_se)
    if len(want) != len(estimates):
        raise ValueError(f"{len(estimates)} estimates for {len(want)} published ones")
    scale = np.maximum(np.abs(want), 1e-3 * want_se)
    return (
        float(np.max(np.abs(estimates - want) / scale)),
        float(np.max(np.abs(errors - want_se) / want_se)),
    )


def main(folder: Path) -> int:
    cases = json.loads((folder / "cases.json").read_text())
    print(f"{'case':<48}{'estimate':>10}{'SE':>10}{'tolerances':>18}")
    start, failed = time.perf_counter(), []
    for case in cases:
        data = pd.read_csv(
            folder / case["data"], dtype=dict.fromkeys(case.get("as_string", []), str)
        )
        allowed = case["tolerance"]["estimate_rel"], case["tolerance"]["std_error_rel"]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = gaps(case, effects_of(case, data))
        except Exception as error:
            failed.append(case["name"])
            print(f"{case['name']:<48} {type(error).__name__}: {error}")
            continue
        agrees = all(a <= b for a, b in zip(found, allowed, strict=True))
        if not agrees:
            failed.append(case["name"])
        print(
            f"{case['name']:<48}{found[0]:>10.1e}{found[1]:>10.1e}"
            f"{allowed[0]:>9.0e}{allowed[1]:>9.0e}{'' if agrees else '  differs'}"
        )
    seconds = time.perf_counter() - start
    print(f"{len(cases) - len(failed)} of {len(cases)} agree, in {seconds:.0f} s.")
    return int(bool(failed))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    raise SystemExit(main(Path(sys.argv[1])))
