"""Effects that textbooks and manuals print, on data that the dependencies ship.

A published marginal effect is a slope: here the effect of a small step, per unit. Lifelines'
study of recidivism (Rossi) is in tests/ecosystem/test_packages.py.
"""

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from skfme import Contrast, fme
from skfme.statsmodels import delta_effects

SMALL = 1e-5


def slopes(results, data, columns, *, rtol, errors_rtol):
    """Average slopes and their standard errors, compared with (slope, error) by column."""
    steps = [{column: SMALL} for column in columns]
    averages = delta_effects(results, data, steps)
    published = np.array(list(columns.values()))
    np.testing.assert_allclose(averages.params / SMALL, published[:, 0], rtol=rtol)
    np.testing.assert_allclose(averages.bse / SMALL, published[:, 1], rtol=errors_rtol)


def test_grades_after_a_new_method_of_teaching():
    """Spector and Mazzeo (1980); Greene, Econometric Analysis, logit with PSI as a dummy.

    Slopes at the means and the discrete change of PSI: Stata 11's margins, which prints
    .5339, .0180 and .4565 (Greene: .534, .018, .456), and coefficients 2.826, .095, 2.379.
    """
    data = sm.datasets.spector.load_pandas().data
    results = smf.logit("GRADE ~ GPA + TUCE + PSI", data).fit(disp=0)
    means = data.mean().to_frame().T
    for column, slope in {"GPA": 0.53385885781692, "TUCE": 0.01797548988961}.items():
        effect = fme(results, means, {column: SMALL})
        assert effect.ame / SMALL == pytest.approx(slope, rel=1e-4)
    change = delta_effects(results, means, {"PSI": Contrast(0, 1)})
    assert float(change.params.iloc[0]) == pytest.approx(0.4564984096959, rel=1e-6)
    assert float(change.bse.iloc[0]) == pytest.approx(0.1810537, rel=1e-3)


def test_visits_to_the_doctor_in_the_health_insurance_experiment():
    """RAND's experiment, a Poisson regression: average slopes by Stata's margins."""
    data = sm.datasets.randhie.load_pandas()
    X = sm.add_constant(data.exog, prepend=False)
    results = sm.Poisson(data.endog, X).fit(disp=0)
    published = {
        "lncoins": (-0.15027280560599, 0.008273103),
        "lpi": (0.10094500919706, 0.0052466639),
        "fmde": (-0.09890639687842, 0.0046317555),
        "physlm": (0.77721770295360, 0.0351582169),
        "disea": (0.09708707452600, 0.0016652181),
    }
    slopes(results, X, published, rtol=1e-4, errors_rtol=1e-3)
    dummies = {
        "idp": (-0.66568074771099, 0.0269856266),
        "hlthp": (0.65104087597053, 0.0913901155),
    }
    for column, (change, error) in dummies.items():
        contrast = delta_effects(results, X, {column: Contrast(0, 1)})
        assert float(contrast.params.iloc[0]) == pytest.approx(change, rel=1e-5)
        assert float(contrast.bse.iloc[0]) == pytest.approx(error, rel=1e-3)


def test_extramarital_affairs():
    """Fair (1978), the survey of Redbook: slopes that statsmodels' manual prints."""
    data = sm.datasets.fair.load_pandas().data
    data["affair"] = (data["affairs"] > 0).astype(float)
    formula = "affair ~ occupation + educ + occupation_husb + rate_marriage + age"
    results = smf.logit(f"{formula} + yrs_married + children + religious", data)
    results = results.fit(disp=0)
    published = {
        "occupation": (0.0293, 0.006),
        "educ": (-0.0072, 0.003),
        "rate_marriage": (-0.1308, 0.005),
        "age": (-0.0110, 0.002),
        "yrs_married": (0.0201, 0.002),
        "religious": (-0.0685, 0.006),
    }
    averages = delta_effects(results, data, [{column: SMALL} for column in published])
    printed = np.array(list(published.values()))
    assert (averages.params / SMALL).round(4).tolist() == printed[:, 0].tolist()
    assert (averages.bse / SMALL).round(3).tolist() == printed[:, 1].tolist()


def test_what_workers_spend_on_food():
    """Engel (1857) in Koenker and Bassett (1982): quantreg's slopes of the quantiles."""
    data = sm.datasets.engel.load_pandas().data
    published = {0.05: 0.343, 0.25: 0.474, 0.5: 0.5601806, 0.75: 0.644, 0.95: 0.709}
    for quantile, slope in published.items():
        results = smf.quantreg("foodexp ~ income", data).fit(quantile)
        effect = fme(results, data, {"income": 100.0})
        digits = 7 if quantile == 0.5 else 3
        assert effect.ame / 100 == pytest.approx(slope, abs=0.6 * 10.0**-digits)
        assert effect.sd == pytest.approx(0, abs=1e-8)


def test_progression_of_diabetes():
    """Efron et al. (2004): the slope of the body mass index in scikit-learn's manual."""
    X, y = load_diabetes(return_X_y=True)
    X = X[:, [2]]
    model = LinearRegression().fit(X[:-20], y[:-20])
    effect = fme(model, X[-20:], {0: 0.01}, background=X)
    assert effect.ame / 0.01 == pytest.approx(938.23786125, rel=1e-10)
    assert np.mean((model.predict(X[-20:]) - y[-20:]) ** 2) == pytest.approx(
        2548.07, abs=0.01
    )
