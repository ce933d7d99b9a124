"""Frozen outputs, equal on the oldest and the newest versions of all libraries."""

import json
import math

import pytest

from tests.golden.outputs import FROZEN, OUTPUTS, made

EXPECTED = json.loads(FROZEN.read_text())


def differences(now, frozen, where=""):
    """Where two outputs differ, by more than rounding."""
    if isinstance(frozen, dict) and isinstance(now, dict):
        if list(frozen) != list(now):
            yield f"{where}: columns {list(now)}, were {list(frozen)}"
            return
        for key in frozen:
            yield from differences(now[key], frozen[key], f"{where}/{key}")
    elif isinstance(frozen, list) and isinstance(now, list):
        if len(frozen) != len(now):
            yield f"{where}: {len(now)} entries, were {len(frozen)}"
            return
        for i, (one, other) in enumerate(zip(now, frozen, strict=True)):
            yield from differences(one, other, f"{where}[{i}]")
    elif isinstance(frozen, float) and isinstance(now, (int, float)):
        if not math.isclose(now, frozen, rel_tol=1e-9, abs_tol=1e-11):
            yield f"{where}: {now!r}, was {frozen!r}"
    elif now != frozen:
        yield f"{where}: {now!r}, was {frozen!r}"


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: output.__name__)
def test_outputs_are_those_that_were_frozen(output):
    assert list(differences(made(output), EXPECTED[output.__name__])) == []


def test_every_frozen_output_is_compared():
    assert sorted(EXPECTED) == sorted(output.__name__ for output in OUTPUTS)
