"""
Age and affairs: an effect with its standard errors
===================================================

In 1969 *Psychology Today* and *Redbook* asked their readers about their marriages. Fair
(1978) explained affairs by age, years of marriage, children, religiousness and how happy
the marriage is. The question: **for a woman five years older and all else equal, by how
much does the probability of an affair change, for whom more, and how sure are we?**
"""

# %%
# A logit with an interaction. Its coefficients are log odds; the effects are probabilities.

import statsmodels.api as sm
import statsmodels.formula.api as smf

from skfme import fme
from skfme.statsmodels import delta_effects

data = sm.datasets.fair.load_pandas().data
data["affair"] = (data["affairs"] > 0).astype(int)
formula = "affair ~ age * rate_marriage + yrs_married + children + religious"
fit = smf.logit(formula, data).fit(disp=False)
print(delta_effects(fit, data, {"age": 5}))

# %%
# By how happy the marriage is rated, from 1 to 5. Standard errors come from the fit's own
# covariance, by the delta method; the results are joint, so that differences can be tested.

by_happiness = delta_effects(fit, data, {"age": 5}, by="rate_marriage")
print(by_happiness)
print(by_happiness.pairwise().to_frame()[["rate_marriage", "estimate", "p_adjusted"]])

# %%
# The effects of single women, with the averages and their intervals.

effect = fme(fit, data, {"age": 5}, response_label="probability of an affair")
display = effect.plot(against="rate_marriage", inference=by_happiness)

# %%
# In percent of the probability rather than in points: a ratio has its standard error too.

percent = delta_effects(fit, data, {"age": 5}, comparison="percent", average="of_means")
print(percent)

# %%
# Is the effect small everywhere, in that no group's is beyond 8 points? Two one-sided tests
# show it, where "not significant" would show nothing.

equivalence = by_happiness.equivalence_test(-0.08, 0.08)
print(equivalence)
assert (by_happiness.params < 0).all()
