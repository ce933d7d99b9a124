"""Universal Binary JSON, by bytes written by hand after its specification."""

import numpy as np
import pytest

from skfme._engine.trees.ubjson import from_ubjson

LONG = b"L" + (3).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"Z", None),
        (b"T", True),
        (b"F", False),
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"l\xff\xff\xff\xfe", -2),
        (LONG, 3),
        (b"d\x3f\xc0\x00\x00", 1.5),
        (b"D\xbf\xf8\x00\x00\x00\x00\x00\x00", -1.5),
        (b"SU\x02\xc3\xa4", "ä"),
        (b"[]", []),
        (b"[U\x01TS" + LONG + b"abc]", [1, True, "abc"]),
        (b"[#U\x02Zi\x07", [None, 7]),
        (b"{}", {}),
        (b"{U\x01aU\x01U\x01b[i\x02]}", {"a": 1, "b": [2]}),
        (b"{#U\x01U\x01a{}", {"a": {}}),
    ],
)
def test_each_kind_of_value_is_read(content, value):
    found = from_ubjson(content)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("length", [b"U\x03", LONG])
def test_typed_arrays_are_read_whole(length):
    found = from_ubjson(b"{U\x01a[$l#" + length + bytes([0, 0, 0, 1] * 3) + b"U\x01bT}")
    np.testing.assert_array_equal(found["a"], [1, 1, 1])
    assert found["a"].dtype == np.dtype(">i4")
    assert found["b"] is True


def test_bytes_of_another_format_are_refused():
    with pytest.raises(ValueError, match="'x' is no marker"):
        from_ubjson(b"[x]")
