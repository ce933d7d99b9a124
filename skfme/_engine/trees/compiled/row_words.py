"""Sixty-four rows at once: operations that compare and pick in vector registers.

What is true of which rows is a word, a bit for each row. numba has no such types; the
instructions are written here as LLVM's own, which makes of them what each processor has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "ROWS_BITS",
    "WORD_ROWS",
    "at_least",
    "differ",
    "first_row",
    "lines_of_rows",
    "pick",
]

ROWS_BITS = 6
WORD_ROWS = 2**ROWS_BITS

_REGISTER_BYTES = 64  # of the widest there are

_WORD, _BIT = ir.IntType(64), ir.IntType(1)
_MASK = ir.VectorType(_BIT, WORD_ROWS)


def lines_of_rows(shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
    """An array with no values yet, of which no line of 64 rows starts within a register.

    What does is read twice; numpy's larger arrays start 16 bytes into one.
    """
    n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(n_bytes + _REGISTER_BYTES, np.uint8)
    start = -room.ctypes.data % _REGISTER_BYTES
    return room[start : start + n_bytes].view(dtype).reshape(shape)


def _place(context: Any, builder: Any, array_type: Any, array: Any, line: Any) -> Any:
    """Where the 64 entries of a line start, as a pointer to all of them."""
    start = context.make_array(array_type)(context, builder, array).data
    entry = ir.IntType(array_type.dtype.bitwidth)
    first = builder.gep(start, [builder.shl(line, ir.Constant(_WORD, ROWS_BITS))])
    return builder.bitcast(first, ir.VectorType(entry, WORD_ROWS).as_pointer())


def _line(context: Any, builder: Any, array_type: Any, array: Any, line: Any) -> Any:
    # Arrays that others have made start anywhere.
    return builder.load(_place(context, builder, array_type, array, line), align=1)


def _repeated(builder: Any, value: Any, entry: Any) -> Any:
    """A vector of 64 times a value."""
    nothing = ir.Constant(ir.VectorType(entry, WORD_ROWS), ir.Undefined)
    number = ir.IntType(32)
    one = builder.insert_element(
        nothing, builder.trunc(value, entry), ir.Constant(number, 0)
    )
    everywhere = ir.Constant(ir.VectorType(number, WORD_ROWS), [0] * WORD_ROWS)
    return builder.shuffle_vector(one, nothing, everywhere)


@intrinsic
def at_least(typing_context: Any, codes: Any, line: Any, test: Any) -> Any:
    """The rows whose codes, of one line, are not below a number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_type, (array, line, test) = signature.args[0], args
        own = _line(context, builder, array_type, array, line)
        test = _repeated(builder, test, own.type.element)
        return builder.bitcast(builder.icmp_unsigned(">=", own, test), _WORD)

    return types.uint64(codes, types.uint64, types.uint64), generate


@intrinsic
def differ(typing_context: Any, lines: Any, one: Any, other: Any) -> Any:
    """The rows in which two lines differ."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_type, array = signature.args[0], args[0]
        one, other = (
            _line(context, builder, array_type, array, line) for line in args[1:]
        )
        return builder.bitcast(builder.icmp_unsigned("!=", one, other), _WORD)

    return types.uint64(lines, types.uint64, types.uint64), generate


@intrinsic
def pick(
    typing_context: Any, lines: Any, target: Any, rows: Any, there: Any, elsewhere: Any
) -> Any:
    """Set a line to another one in some rows, and to a third in the rest."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array_type, (array, target, rows, *sources) = signature.args[0], args
        there, elsewhere = (
            _line(context, builder, array_type, array, line) for line in sources
        )
        picked = builder.select(builder.bitcast(rows, _MASK), there, elsewhere)
        builder.store(
            picked, _place(context, builder, array_type, array, target), align=1
        )
        return context.get_dummy_value()

    return types.void(lines, *[types.uint64] * 4), generate


@intrinsic
def first_row(typing_context: Any, rows: Any) -> Any:
    """The lowest of the rows of a word that has some."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(_BIT, 1))

    return types.uint64(types.uint64), generate
