"""When each venue trades, on ordinary and late days, before and after changes of the rules."""

from __future__ import annotations

from datetime import date, time

import pytest

from events.calendar import instant, session
from events.market import InstrumentKind, Venue
from kis_gateway.day.sessions import MarketPhase, VenueDay, order_types_at
from kis_gateway.protocol import Route

TODAY = date(2026, 11, 20)


def phase(day: date, venue: Venue, clock: time) -> MarketPhase | None:
    found = VenueDay(session(day)).phase_at(venue, instant(day, clock))
    return None if found is None else found.phase


@pytest.mark.parametrize(
    ("clock", "krx", "nxt"),
    [
        (time(7, 59, 59), None, None),
        (time(8, 0), None, MarketPhase.PRE_MARKET),
        (time(8, 49, 59), MarketPhase.OPENING_AUCTION, MarketPhase.PRE_MARKET),
        (time(8, 50), MarketPhase.OPENING_AUCTION, None),
        (time(9, 0), MarketPhase.CONTINUOUS, None),
        (time(9, 0, 30), MarketPhase.CONTINUOUS, MarketPhase.MAIN),
        (time(15, 19, 59), MarketPhase.CONTINUOUS, MarketPhase.MAIN),
        (time(15, 20), MarketPhase.CLOSING_AUCTION, None),
        (time(15, 30), None, MarketPhase.CLOSING_PRICE),
        (time(15, 40), MarketPhase.CLOSING_PRICE, MarketPhase.AFTER_MARKET),
        (time(16, 0), MarketPhase.AFTER_MARKET, MarketPhase.AFTER_MARKET),
        (time(19, 59, 59), MarketPhase.AFTER_MARKET, MarketPhase.AFTER_MARKET),
        (time(20, 0), None, None),
    ],
)
def test_an_ordinary_day_of_late_2026(
    clock: time, krx: MarketPhase | None, nxt: MarketPhase | None
) -> None:
    """Both exchanges from eight in the morning to eight in the evening."""
    assert (phase(TODAY, Venue.KRX, clock), phase(TODAY, Venue.NXT, clock)) == (krx, nxt)


def test_the_after_market_replaced_the_single_price_on_the_fourteenth_of_september() -> None:
    """The last day of the one is the day before the first of the other."""
    assert phase(date(2026, 9, 11), Venue.KRX, time(17)) is MarketPhase.SINGLE_PRICE
    assert phase(date(2026, 9, 11), Venue.KRX, time(19)) is None
    assert phase(date(2026, 9, 14), Venue.KRX, time(19)) is MarketPhase.AFTER_MARKET


def test_nxt_opened_on_the_fourth_of_march_2025() -> None:
    """Before that there was one exchange."""
    assert phase(date(2025, 2, 28), Venue.NXT, time(10)) is None
    assert phase(date(2025, 3, 4), Venue.NXT, time(10)) is MarketPhase.MAIN


def test_on_an_exam_day_everything_begins_an_hour_later_and_the_evening_ends_as_always() -> None:
    """CSAT of 2026: 10:00 to 16:30."""
    day = date(2026, 11, 19)
    assert phase(day, Venue.NXT, time(8, 30)) is None
    assert phase(day, Venue.NXT, time(9, 30)) is MarketPhase.PRE_MARKET
    assert phase(day, Venue.KRX, time(9, 59)) is MarketPhase.OPENING_AUCTION
    assert phase(day, Venue.KRX, time(16, 29)) is MarketPhase.CLOSING_AUCTION
    assert phase(day, Venue.KRX, time(17, 0)) is MarketPhase.AFTER_MARKET
    assert VenueDay(session(day)).phases[-1].ends_at == instant(day, time(20))


def test_single_trades_are_expected_in_continuous_phases_only_and_funds_not_in_the_evening() -> (
    None
):
    """An auction is silent by nature; the after-market has no ETF and no ETN."""
    day = VenueDay(session(TODAY))

    def expected(venue: Venue, clock: time, kind: InstrumentKind = InstrumentKind.STOCK) -> bool:
        return day.continuous_at(venue, instant(TODAY, clock), kind) is not None

    assert not expected(Venue.KRX, time(8, 55))
    assert expected(Venue.KRX, time(9, 0))
    assert not expected(Venue.KRX, time(15, 25))
    assert expected(Venue.KRX, time(16, 30))
    assert not expected(Venue.KRX, time(16, 30), InstrumentKind.ETF)
    assert not expected(Venue.NXT, time(10), InstrumentKind.ETN)
    assert expected(Venue.KRX, time(10), InstrumentKind.ETF)
    assert expected(Venue.UNIFIED, time(8, 30))
    assert not expected(Venue.UNIFIED, time(15, 25))
    assert day.continuous_at(Venue.UNIFIED, instant(TODAY, time(10))) == (
        instant(TODAY, time(9)),
        instant(TODAY, time(15, 20)),
    )


def types(day: date, route: Route, clock: time) -> frozenset[str]:
    return order_types_at(session(day), route, instant(day, clock))


def test_each_route_takes_its_own_types_at_each_time() -> None:
    """A market sell at 08:30 on NXT or a plain limit at 16:05 would be refused by the broker."""
    assert types(TODAY, Route.KRX, time(8, 0)) == frozenset()
    assert {"00", "01", "05"} <= types(TODAY, Route.KRX, time(8, 35))
    assert "05" not in types(TODAY, Route.KRX, time(8, 40))
    morning = types(TODAY, Route.NXT, time(8, 30))
    assert {"00", "27", "28", "29"} <= morning
    assert "01" not in morning
    assert types(TODAY, Route.NXT, time(8, 55)) == frozenset()
    assert "27" not in types(TODAY, Route.NXT, time(10))
    assert {"00", "01"} <= types(TODAY, Route.SOR, time(10))
    assert types(TODAY, Route.KRX, time(15, 45)) == {"06"}
    evening = types(TODAY, Route.KRX, time(16, 5))
    assert evening == {"41", "42", "43", "44", "45", "46", "47"}
    assert types(date(2026, 9, 11), Route.KRX, time(16, 5)) == {"07"}
    assert types(TODAY, Route.KRX, time(20, 0)) == frozenset()
