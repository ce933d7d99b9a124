"""Dates and durations that are set: what is a moment, in which zone, and what is not."""

import pandas as pd
import pytest

from skfme import SetTo, fme

DAYS = pd.date_range("2026-03-27", periods=4)
HOUR = 3600.0


def seconds(X):
    """A model that returns the column, in seconds: its FME is what the step did."""
    column = X["seen"]
    if column.dtype.kind == "M" and column.dt.tz is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    unit = column.dtype.kind
    return column.to_numpy().astype(f"{unit}8[s]").astype(float)


def moved(column, value):
    X = pd.DataFrame({"seen": column})
    return fme(seconds, X, {"seen": SetTo(value)}, extrapolation=None).fme


@pytest.mark.parametrize("value", ["2026-03-30", pd.Timestamp("2026-03-30")])
def test_every_row_is_set_to_the_day(value):
    assert moved(DAYS, value).tolist() == [72 * HOUR, 48 * HOUR, 24 * HOUR, 0.0]


def test_a_moment_without_a_zone_is_read_in_the_columns_own():
    column = DAYS.tz_localize("Europe/Berlin")  # a day of 23 hours is among them
    expected = [71 * HOUR, 47 * HOUR, 23 * HOUR, 0.0]
    assert moved(column, "2026-03-30").tolist() == expected
    assert moved(column, "2026-03-29T22:00Z").tolist() == expected


def test_durations_are_set_as_durations():
    column = pd.to_timedelta([1, 2, 3, 4], "h")
    assert moved(column, "2h").tolist() == [HOUR, 0.0, -HOUR, -2 * HOUR]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (DAYS, "2026-03-30T00:00Z", "has a time zone, and the column has none"),
        (
            DAYS.tz_localize("Europe/Berlin"),
            "2026-03-29T02:30",
            "no single moment in Europe/Berlin",
        ),
        (DAYS, "soon", "expected a date, got 'soon'"),
        (DAYS, None, "expected a date, got None"),
        (pd.to_timedelta([1, 2], "h"), "soon", "expected a duration, got 'soon'"),
    ],
)
def test_what_is_no_moment_of_the_column_is_refused(column, value, message):
    with pytest.raises(ValueError, match=message):
        moved(column, value)
