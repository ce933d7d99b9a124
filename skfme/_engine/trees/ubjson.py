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
_ONE[ord("L")] = struct.Struct(">q")
_CONSTANTS = {ord("Z"): None, ord("T"): True, ord("F"): False}


def from_ubjson(content: bytes | bytearray) -> Any:
    """The value that some bytes hold; typed arrays as NumPy's."""
    return _Bytes(memoryview(content)).value()


class _Bytes:
    def __init__(self, content: memoryview) -> None:
        self._content, self._at = content, 0

    def value(self) -> Any:
        return self._of(self._marker())

    def _marker(self) -> int:
        marker = self._content[self._at]
        self._at += 1
        return marker

    def _goes_on_with(self, marker: str) -> bool:
        """Whether the next byte is this one, which is passed if so."""
        found = self._content[self._at] == ord(marker)
        self._at += found
        return found

    def _of(self, marker: int) -> Any:
        if marker in _ONE:
            (number,) = _ONE[marker].unpack_from(self._content, self._at)
            self._at += _ONE[marker].size
            return number
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == ord("S"):
            return self._text()
        if marker == ord("["):
            return self._array()
        if marker == ord("{"):
            return dict(self._pairs())
        raise ValueError(f"{chr(marker)!r} is no marker of Universal Binary JSON")

    def _text(self) -> str:
        length = self.value()
        start, self._at = self._at, self._at + length
        return bytes(self._content[start : self._at]).decode()

    def _array(self) -> Any:
        if self._goes_on_with("$"):
            kind = _NUMBERS[self._marker()]
            self._marker()  # "#"
            count = self.value()
            numbers = np.frombuffer(self._content, kind, count, self._at)
            self._at += numbers.nbytes
            return numbers
        if self._goes_on_with("#"):
            return [self.value() for _ in range(self.value())]
        values = []
        while not self._goes_on_with("]"):
            values.append(self.value())
        return values

    def _pairs(self) -> Any:
        if self._goes_on_with("#"):
            for _ in range(self.value()):
                yield self._text(), self.value()
            return
        while not self._goes_on_with("}"):
            yield self._text(), self.value()
