"""Data and fitted statsmodels models that several tests share."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.miscmodels.ordinal_model import OrderedModel

LINKS = sm.families.links


@cache
def data(n: int = 240) -> pd.DataFrame:
    """Numbers, a dummy, categories and responses of every kind."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.uniform(0.5, 2.0, size=n),
            "d": rng.integers(0, 2, size=n),
            "c": pd.Categorical(rng.choice(["a", "b", "c"], size=n)),
            "firm": rng.integers(0, 24, size=n),
            "time": rng.uniform(1.0, 3.0, size=n),
            "w": rng.uniform(0.5, 2.0, size=n),
        }
    )
    eta = 0.4 * frame["x"] + 0.3 * frame["z"] - 0.5 * frame["d"]
    frame["y"] = eta + rng.normal(scale=0.7, size=n)
    frame["b"] = (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["count"] = rng.poisson(rng.gamma(1.5, np.exp(eta) / 1.5))
    frame["panel"] = frame["y"] + rng.normal(size=24)[frame["firm"]]
    frame["positive"] = rng.gamma(3.0, np.exp(eta) / 3.0)
    frame["share"] = np.clip(rng.beta(2 + eta.clip(-1.5), 2), 0.01, 0.99)
    frame["level"] = pd.cut(frame["y"], [-9, -0.5, 0.4, 9], labels=False)
    frame["kind"] = np.where(rng.uniform(size=n) < 0.2, 3, frame["level"])
    return frame


RIGHT = "x * z + d + C(c)"


def glm(response: str, family, link=None, **kwds):
    chosen = family() if link is None else family(link())
    return smf.glm(f"{response} ~ {RIGHT}", data(), family=chosen, **kwds).fit()


def discrete(kind, response: str, method: str = "newton", **kwds):
    model = kind.from_formula(f"{response} ~ {RIGHT}", data(), **kwds)
    return model.fit(disp=0, method=method, maxiter=500)


def from_start(response: str, family, start: list[float]):
    """A fit on the edge of its link's domain, from values inside."""
    model = smf.glm(f"{response} ~ z + d", data(), family=family)
    return model.fit(start_params=start)


def ordered(distr):
    frame = data().assign(level=pd.Categorical(data()["level"], ordered=True))
    model = OrderedModel.from_formula(f"level ~ {RIGHT}", frame, distr=distr)
    return model.fit(method="bfgs", disp=0)


F = sm.families
FITS = {
    "ols": lambda: smf.ols(f"y ~ {RIGHT}", data()).fit(),
    "wls": lambda: smf.wls(f"y ~ {RIGHT}", data(), weights=data()["w"]).fit(),
    "gls": lambda: smf.gls(f"y ~ {RIGHT}", data(), sigma=data()["w"]).fit(),
    "quantreg": lambda: smf.quantreg(f"y ~ {RIGHT}", data()).fit(),
    "rlm": lambda: smf.rlm(f"y ~ {RIGHT}", data()).fit(),
    "mixedlm": lambda: smf.mixedlm(f"panel ~ {RIGHT}", data(), groups="firm").fit(),
    "logit": lambda: discrete(sm.Logit, "b"),
    "probit": lambda: discrete(sm.Probit, "b"),
    "poisson": lambda: discrete(sm.Poisson, "count"),
    "nb1": lambda: discrete(sm.NegativeBinomial, "count", "bfgs", loglike_method="nb1"),
    "nb2": lambda: discrete(sm.NegativeBinomial, "count", "bfgs"),
    "geometric": lambda: discrete(
        sm.NegativeBinomial, "count", "bfgs", loglike_method="geometric"
    ),
    "nbp": lambda: discrete(sm.NegativeBinomialP, "count"),
    "gpoisson": lambda: discrete(sm.GeneralizedPoisson, "count", "bfgs"),
    "mnlogit": lambda: discrete(sm.MNLogit, "kind"),
    "ordered logit": lambda: ordered("logit"),
    "ordered probit": lambda: ordered("probit"),
    "gee": lambda: smf.gee(
        f"count ~ {RIGHT}", "firm", data(), family=F.Poisson(), exposure="time"
    ).fit(),
    "binomial logit": lambda: glm("b", F.Binomial),
    "binomial probit": lambda: glm("b", F.Binomial, LINKS.Probit),
    "binomial cloglog": lambda: glm("b", F.Binomial, LINKS.CLogLog),
    "binomial loglog": lambda: glm("b", F.Binomial, LINKS.LogLog),
    "binomial cauchy": lambda: glm("b", F.Binomial, LINKS.Cauchy),
    "binomial logc": lambda: from_start(
        "b", F.Binomial(LINKS.LogC()), [-0.5, -0.1, 0.0]
    ),
    "poisson log": lambda: glm("count", F.Poisson),
    "poisson sqrt": lambda: glm("count", F.Poisson, LINKS.Sqrt),
    "poisson exposure": lambda: glm("count", F.Poisson, exposure=data()["time"]),
    "poisson offset": lambda: glm("count", F.Poisson, offset=np.log(data()["time"])),
    "gamma inverse": lambda: glm("positive", F.Gamma),
    "gamma log": lambda: glm("positive", F.Gamma, LINKS.Log),
    "gaussian log": lambda: glm("positive", F.Gaussian, LINKS.Log),
    "gaussian identity": lambda: glm("y", F.Gaussian),
    "inverse gaussian": lambda: glm("positive", F.InverseGaussian, LINKS.Log),
    "inverse squared": lambda: from_start("w", F.InverseGaussian(), [1.0, 0.0, 0.0]),
    "negative binomial": lambda: glm("count", F.NegativeBinomial),
    "nbinom link": lambda: glm(
        "count", F.NegativeBinomial, lambda: LINKS.NegativeBinomial(alpha=1.0)
    ),
    "tweedie": lambda: glm("positive", F.Tweedie),
}


@cache
def fit(name: str):
    return FITS[name]()
