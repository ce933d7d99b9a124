"""
Which step can be read as "per unit"?
=====================================

Lower a patient's body mass index by 2, and a support vector machine predicts a milder
progression of their diabetes. May we say "half of that for each unit"? And how large a
step may we ask about before we leave the patients that the model has seen?
"""

from sklearn.datasets import load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from skfme import FMEExplainer

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
y = y.rename("disease progression")
labels = {"bmi": "Body mass index (kg/m²)"}
machine = make_pipeline(StandardScaler(), SVR(C=100))
explainer = FMEExplainer(machine, steps=[{"bmi": -2}, {"bmi": 6}], nlm=True).fit(X, y)
print(explainer.explain(X))

# %%
# The non-linearity measure (NLM) is 1 where the prediction moves in a straight line.
# A profile over step sizes answers the second question.
profile = explainer.step_profile(X, "bmi", sizes=[-10, -5, -2, -1, 1, 2, 5, 10])
print(profile)

# %%
# The same as a picture: small steps read as straight lines, large negative ones leave the
# data.
profile.plot(labels=labels)

# %%
# The prediction along the larger step, for five patients: the more a line bends away from its
# dotted secant, the less "per unit" means.
path = explainer.path(X.iloc[[3, 90, 150, 230, 400]], "bmi +6")
path.plot(labels=labels)

# %%
# And for all patients at once: the change since the start, as a fan of quantiles.
explainer.path(X, "bmi +6").plot(labels=labels)
