"""How figures are written: the same everywhere, and never a number where there is none."""

from __future__ import annotations

import pytest

from events import TradingDate
from research.reports import notation

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("amount", "signed", "text"),
    [
        (1_234_567, False, "₩1,234,567"),
        (-1_234_567, False, "−₩1,234,567"),
        (1_234_567, True, "+₩1,234,567"),
        (0, True, "₩0"),
        (0.4, True, "₩0"),
        (-0.4, True, "₩0"),
        (None, True, "–"),
    ],
)
def test_won_has_thousands_and_a_sign(amount: float | None, signed: bool, text: str) -> None:
    assert notation.won(amount, signed=signed) == text


@pytest.mark.parametrize(
    ("fraction", "digits", "signed", "text"),
    [
        (0.1234, 2, False, "12.34%"),
        (-0.1234, 1, True, "−12.3%"),
        (0.05, 0, True, "+5%"),
        (-0.00001, 2, True, "0.00%"),
        (0.0, 1, True, "0.0%"),
        (12.5, 1, False, "1,250.0%"),
        (None, 2, True, "–"),
        (float("nan"), 2, False, "–"),
    ],
)
def test_percent_shows_no_sign_that_it_does_not_show_a_digit_for(
    fraction: float | None, digits: int, signed: bool, text: str
) -> None:
    assert notation.percent(fraction, digits, signed=signed) == text


@pytest.mark.parametrize(
    ("number", "text"), [(1234.5, "1,234.50"), (float("inf"), "∞"), (float("-inf"), "−∞")]
)
def test_numbers_may_be_without_end(number: float, text: str) -> None:
    assert notation.count(number, 2) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 s"),
        (59 * SECOND, "59 s"),
        (60 * SECOND, "1 min"),
        (3_661 * SECOND, "1 h 1 min"),
        (90_061 * SECOND, "1 d 1 h"),
        (86_405 * SECOND, "1 d 5 s"),
        (None, "–"),
    ],
)
def test_lengths_of_time_have_two_units_at_most(nanoseconds: float | None, text: str) -> None:
    assert notation.duration(nanoseconds) == text


def test_times_are_those_of_korea() -> None:
    assert notation.instant(1_757_894_400 * SECOND) == "2025-09-15 09:00:00"
    assert notation.instant(0) == "–"
    assert notation.session(TradingDate("20250915")) == "2025-09-15"


def test_one_is_no_plural() -> None:
    assert [notation.many(number, "session") for number in (0, 1, 1_200)] == [
        "0 sessions",
        "1 session",
        "1,200 sessions",
    ]
