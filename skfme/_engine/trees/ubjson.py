"""Universal Binary JSON, as XGBoost writes its models: arrays of numbers are kept whole."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

__all__ = ["from_ubjson"]

# Marker of a number -> its type, most significant byte first.
_NUMBERS = {
    ord(marker): np.dtype(kind)
    for marker, kind in {
        "i": "i1",
        "U": "u1",
        "I": ">i2",
        "l": ">i4",
        "L": ">i8",
        "d": ">f4",
        "D": ">f8",
    }.items()
}
_ONE = {marker: struct.Struct(f">{kind.char}") for marker, kind in _NUMBERS.items()}
_ONE[ord("L")] = _LONG = struct.Struct(">q")
_CONSTANTS = {ord("Z"): None, ord("T"): True, ord("F"): False}
_OF_LONG, _OF_TEXT, _OF_KIND, _OF_COUNT = b"LS$#"
_ARRAY, _ARRAY_END, _OBJECT, _OBJECT_END = b"[]{}"


def from_ubjson(content: bytes | bytearray) -> Any:
    """The value that some bytes hold; typed arrays as NumPy's."""
    return _value(bytes(content), 0)[0]


# A model has thousands of values: each function takes the bytes and where to begin, and
# returns what it read and where that ends.


def _value(content: bytes, at: int) -> tuple[Any, int]:
    marker, at = content[at], at + 1
    if marker == _ARRAY:
        return _array(content, at)
    if marker == _OBJECT:
        return _object(content, at)
    if marker == _OF_TEXT:
        return _text(content, at)
    number = _ONE.get(marker)
    if number is not None:
        return number.unpack_from(content, at)[0], at + number.size
    if marker in _CONSTANTS:
        return _CONSTANTS[marker], at
    raise ValueError(f"{chr(marker)!r} is no marker of Universal Binary JSON")


def _count(content: bytes, at: int) -> tuple[int, int]:
    if content[at] == _OF_LONG:
        return _LONG.unpack_from(content, at + 1)[0], at + 9
    return _value(content, at)


def _text(content: bytes, at: int) -> tuple[str, int]:
    length, at = _count(content, at)
    end = at + length
    return content[at:end].decode(), end


def _array(content: bytes, at: int) -> tuple[Any, int]:
    if content[at] == _OF_KIND:
        kind = _NUMBERS[content[at + 1]]
        count, at = _count(content, at + 3)  # behind "#"
        return np.frombuffer(content, kind, count, at), at + count * kind.itemsize
    values = []
    if content[at] == _OF_COUNT:
        count, at = _count(content, at + 1)
        for _ in range(count):
            value, at = _value(content, at)
            values.append(value)
        return values, at
    while content[at] != _ARRAY_END:
        value, at = _value(content, at)
        values.append(value)
    return values, at + 1


def _object(content: bytes, at: int) -> tuple[dict[str, Any], int]:
    pairs = {}
    if content[at] == _OF_COUNT:
        count, at = _count(content, at + 1)
        for _ in range(count):
            name, at = _text(content, at)
            pairs[name], at = _value(content, at)
        return pairs, at
    while content[at] != _OBJECT_END:
        name, at = _text(content, at)
        pairs[name], at = _value(content, at)
    return pairs, at + 1
