"""Docstrings of what is public, by numpydoc's own validation."""

import inspect

import pytest

from tests.test_public_names import public_objects

numpydoc = pytest.importorskip(
    "numpydoc.validate", reason="numpydoc comes with the extra `docs`"
)

LEFT_OUT = {
    "ES01": "a summary that says all needs no second one",
    "EX01": "examples stand where they teach, doctests see that they run",
    "SA01": "likewise cross-references",
    "SS05": "taken for a verb: 'Names of …', 'Predictions along …'",
    "RT02": "returned values have names, as in scikit-learn",
    "PR07": "X of shape (n_samples, n_features) needs no more words",
    "RT03": "nor does self",
}
# Results are made by the package: their attributes are documented, no parameters.
RESULTS = {
    "BootstrapResults",
    "ConditionalEffectsResults",
    "CrossFitResults",
    "CrossFittedEffects",
    "CrossedConditionalEffectsResults",
    "EffectSummaries",
    "EffectSummary",
    "EquivalenceResults",
    "Stability",
    "ForwardEffect",
    "HonestRegions",
    "LargestStep",
    "MixedConditionalEffectsResults",
    "ModelComparison",
    "OptimalityTest",
    "OptimumEquality",
    "OptimumResults",
    "PairDesign",
    "PathPredictions",
    "PolicyEffectResults",
    "ResponseAudit",
    "ResponseOptimum",
    "StepProfile",
    "UncertaintyLedger",
    "WildClusterTest",
}
# A protocol is written by its users, and made by no call.
RESULTS |= {"ParametricModel"}


def documented_names():
    for name, thing in public_objects():
        if inspect.isclass(thing):
            yield name
            for member in sorted(dir(thing)):
                own = any(
                    member in vars(base)
                    for base in thing.__mro__
                    if base.__module__.startswith("skfme")
                )
                value = inspect.getattr_static(thing, member)
                called = inspect.isfunction(value) or isinstance(value, property)
                if own and called and not member.startswith("_"):
                    yield f"{name}.{member}"
        elif inspect.isfunction(thing):
            yield name


@pytest.mark.parametrize("name", documented_names())
def test_docstring_passes_numpydoc(name):
    errors = {
        code: message
        for code, message in numpydoc.validate(name)["errors"]
        if code not in LEFT_OUT
    }
    if name.split(".")[-1] in RESULTS:
        errors.pop("PR01", None)
    assert not errors
