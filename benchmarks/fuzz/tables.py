"""Columns as plain Python values, and the tables of every library that hold them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

EPOCH = dt.datetime(2024, 1, 1)
ZONE = "Europe/Vienna"
LEVELS = ["low", "mid", "high", "other"]
SIGNED = ("int8", "int16", "int32", "int64")
INTEGERS = (*SIGNED, "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
NUMBERS = (*INTEGERS, *FLOATS, "object")
CATEGORIES = ("bool", "text", "category")
DATES = ("date-s", "date-ms", "date-us", "date-ns", "date-zone")
KINDS = (*NUMBERS, *CATEGORIES, *DATES)
LIBRARIES = ("numpy", "pandas", "nullable", "arrow-backed", "polars", "pyarrow")


@dataclass
class Column:
    """One column as Python values, None where missing, and the type in tables."""

    name: Any
    kind: str
    entries: list

    @property
    def family(self) -> str:
        if self.kind in CATEGORIES:
            return "category"
        return "date" if self.kind in DATES else "number"

    @property
    def missing(self) -> bool:
        return any(entry is None for entry in self.entries)


@dataclass
class Rows:
    """Rows of a table, apart from the library that holds them."""

    library: str
    columns: list[Column]
    index: list | None = None

    def __len__(self) -> int:
        return len(self.columns[0].entries)

    def take(self, rows: Any) -> Rows:
        columns = [
            Column(c.name, c.kind, [c.entries[i] for i in rows]) for c in self.columns
        ]
        index = None if self.index is None else [self.index[i] for i in rows]
        return Rows(self.library, columns, index)


def table_of(rows: Rows) -> Any:
    """The table in its library."""
    if rows.library == "numpy":
        return _array(rows.columns)
    names = [str(c.name) for c in rows.columns]
    if rows.library in ("pyarrow", "polars"):
        table = pa.table([_arrow(c) for c in rows.columns], names=names)
        return table if rows.library == "pyarrow" else pl.from_arrow(table)
    frame = pd.DataFrame({c.name: _pandas(rows.library, c) for c in rows.columns})
    return frame if rows.index is None else frame.set_axis(rows.index)


def _array(columns: list[Column]) -> np.ndarray:
    kinds = {c.kind for c in columns}
    gaps = any(c.missing for c in columns)
    if len(kinds) == 1 and not gaps and (kind := kinds.pop()) in (*INTEGERS, "float32"):
        return np.column_stack([np.array(c.entries, dtype=kind) for c in columns])
    if all(c.kind in (*INTEGERS, *FLOATS) for c in columns):
        filled = [[np.nan if x is None else x for x in c.entries] for c in columns]
        return np.column_stack([np.array(v, dtype=float) for v in filled])
    array = np.empty((len(columns[0].entries), len(columns)), dtype=object)
    for j, column in enumerate(columns):
        array[:, j] = column.entries
    return array


def _arrow(column: Column) -> pa.Array:
    entries = column.entries
    if column.kind == "object":
        entries = [None if v is None else _decimal(v) for v in entries]
    return pa.array(entries, _arrow_type(column.kind))


def _decimal(value: Any) -> Decimal:
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return exact.quantize(Decimal("1e-6"))  # what the type holds


def _arrow_type(kind: str) -> pa.DataType:
    if kind == "date-zone":
        return pa.timestamp("us", ZONE)
    if kind in DATES:
        return pa.timestamp(kind.removeprefix("date-"))
    return {
        "object": pa.decimal128(24, 6),
        "text": pa.string(),
        "category": pa.dictionary(pa.int32(), pa.string()),
        "bool": pa.bool_(),
    }.get(kind) or getattr(pa, kind)()


def _pandas(library: str, column: Column) -> Any:
    kind, values = column.kind, column.entries
    if kind == "object":
        return pd.Series(values, dtype=object)
    if kind == "category":
        return pd.Series(pd.Categorical(values, categories=LEVELS))
    if library == "arrow-backed":
        return pd.Series(pd.array(values, dtype=pd.ArrowDtype(_arrow_type(kind))))
    if kind == "date-zone":
        return pd.Series(pd.to_datetime(values, utc=True)).astype(
            f"datetime64[us, {ZONE}]"
        )
    if kind in DATES:
        unit = kind.removeprefix("date-")
        return pd.Series(pd.to_datetime(values)).astype(f"datetime64[{unit}]")
    if kind == "text":
        return pd.Series(values, dtype=object)
    if library == "nullable":
        name = {"bool": "boolean"}.get(kind) or kind.title().replace("Ui", "UI")
        return pd.Series(pd.array(values, dtype=name))
    if column.missing and kind == "bool":
        return pd.Series(values, dtype=object)
    if column.missing:
        filled = [np.nan if v is None else v for v in values]
        return pd.Series(filled, dtype="float32" if kind == "float32" else float)
    return pd.Series(values, dtype=kind)


def values_in(table: Any) -> list[list]:
    """The columns of any table as Python values, None where missing."""
    if isinstance(table, np.ndarray):
        columns = [table[:, j].tolist() for j in range(table.shape[1])]
    elif isinstance(table, pa.Table):
        columns = [column.to_pylist() for column in table.columns]
    elif isinstance(table, pl.DataFrame):
        columns = [column.to_list() for column in table.get_columns()]
    else:
        columns = [table[name].astype(object).tolist() for name in table.columns]
    return [[None if pd.isna(v) else v for v in column] for column in columns]


def number(value: Any) -> float:
    """Any entry as a float; missing is one too."""
    if value is None:
        return 0.37
    if isinstance(value, str):
        return {level: 1.0 + i**2 for i, level in enumerate(LEVELS)}[value]
    if isinstance(value, dt.datetime):
        moment = pd.Timestamp(value)
        if moment.tzinfo is not None:
            moment = moment.tz_convert("UTC").tz_localize(None)
        return (moment - pd.Timestamp(EPOCH)).total_seconds() / 86400
    return float(value)


def numbers(values: list) -> np.ndarray:
    """Any column as floats, which differ where its values do."""
    return np.array([number(value) for value in values])


# Drawn columns ------------------------------------------------------------------------


def drawn_entries(rng: np.random.Generator, kind: str, values: str, n: int) -> list:
    """Entries of a kind: plain, or at the edge of what its type holds."""
    if kind in DATES:
        zone = dt.UTC if kind == "date-zone" else None
        hours = rng.integers(0, 9000, n) if values != "constant" else np.full(n, 77)
        start = EPOCH.replace(tzinfo=zone)
        return [start + dt.timedelta(hours=int(h)) for h in hours]
    if values == "constant":
        return drawn_entries(rng, kind, "plain", 1) * n
    if values == "two values" and kind in NUMBERS:
        bits = rng.integers(0, 2, n)
        return bits.tolist() if kind not in FLOATS else bits.astype(float).tolist()
    if kind in INTEGERS:
        return _integers(rng, kind, values, n)
    if kind in FLOATS:
        return _floats(rng, kind, values, n)
    if kind == "object":
        whole = rng.integers(-50, 50, n).tolist()
        return [Decimal(v) / 4 if rng.random() < 0.5 else v for v in whole]
    if kind == "bool":
        return (rng.random(n) < 0.5).tolist()
    return [str(v) for v in rng.choice(LEVELS[:3], n)]


def _integers(rng: np.random.Generator, kind: str, values: str, n: int) -> list[int]:
    limits = np.iinfo(kind)
    if values == "huge":  # at the edge, or as far as floats hold every integer
        top = min(int(limits.max), 2**50)
        return (top - rng.integers(0, 20, n)).tolist()
    low = 0 if kind.startswith("u") else -100
    high = 100 if kind in ("int8", "uint8") or rng.random() < 0.7 else 30_000
    return rng.integers(low if high == 100 else -low, high, n).tolist()


def _floats(rng: np.random.Generator, kind: str, values: str, n: int) -> list[float]:
    if values == "huge":
        drawn = rng.normal(size=n) * (1e25 if kind == "float32" else 1e15)
    elif values == "subnormal":
        drawn = rng.integers(-50, 50, n) * (1e-43 if kind == "float32" else 1e-310)
    elif values == "zeros":
        drawn = rng.choice([-0.0, 0.0, 0.0, -0.25, 0.5], n)
    elif kind == "float32":  # eighths, which it holds at both ends of most steps
        drawn = rng.integers(-800, 800, n) / 8
    else:
        scale = 10.0 ** rng.integers(-3, 6)
        drawn = (rng.normal(size=n) * scale).round(int(rng.integers(0, 8)))
    return np.asarray(drawn, dtype=kind).astype(float).tolist()
