"""Public names: declared in every module, documented, and typed for their users."""

import importlib
import inspect
import pickle
import pkgutil
import re
from pathlib import Path

import pytest

import skfme

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(skfme.__path__, "skfme.")
)
PUBLIC = ["skfme"] + [
    name for name in MODULES if not re.search(r"\._", name) and "." in name
]
BASES = {"Rule", "Step"}  # what rules and steps are instances of; nobody makes one


def public_objects():
    for module in PUBLIC:
        for name in importlib.import_module(module).__all__:
            yield f"{module}.{name}", getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", ["skfme", *MODULES])
def test_every_module_declares_its_names(module):
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__path__") and not hasattr(loaded, "__all__"):
        assert loaded.__doc__, f"{module} is a room without a word on what lives there"
        return
    names = loaded.__all__
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(loaded, name), (
            f"{module}.__all__ names {name}, which is not there"
        )


def test_every_public_name_is_in_the_api_reference():
    text = (ROOT / "docs" / "api.rst").read_text()
    listed = set(re.findall(r"^   (\w+)$", text, re.MULTILINE))
    missing = [
        name
        for name, thing in public_objects()
        if (inspect.isclass(thing) or inspect.isfunction(thing))
        and name.split(".")[-1] not in listed | BASES
    ]
    assert not missing


@pytest.mark.parametrize(
    "thing", [pytest.param(thing, id=name) for name, thing in public_objects()]
)
def test_every_public_name_survives_a_pickle(thing):
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert pickle.loads(pickle.dumps(thing)) is thing


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "skfme" / "py.typed").exists()
