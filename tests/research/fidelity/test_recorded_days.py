"""Recorded sessions as days of a backtest, from a log or from sealed days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from bus import Log, MemoryLog, entry
from bus.archive import seal_day
from events import AccountId, Event
from events.control import HaltMode, HaltScope, HaltSet
from events.market import ClockTick, IndexLevel, Phase
from events.trading import AccountSnapshot
from kis_gateway.simulator.exchange import EnterPhase
from research.backtest import BacktestSettings, run
from research.backtest.errors import NoMarketData
from research.backtest.settings import DataSettings, Delivery, Source, StrategySettings
from research.backtest.tape import Kind
from research.datasets import days_from
from research.fidelity.errors import NoSuchSession
from research.fidelity.recorded_days import RecordedDays, market_day
from research.fidelity.recording import RecordedSession
from research.fidelity.recordings import LogRecordings, SealedRecordings, SessionRead
from tests.research.fidelity.played_day import monkey, played_day
from tests.research.fidelity.records import (
    DATE,
    NINE,
    SAMSUNG,
    SECOND,
    at,
    book,
    opening,
    recorded,
    terms,
    trade,
)
from tests.research.plugging import plugged

ON = date(2025, 9, 15)
LEVEL = IndexLevel(
    at=at(5.5), index="KOSPI", time=at(5), centipoints=270_000, previous_close_centipoints=269_000
)


def _log(*events: Event) -> MemoryLog:
    log = MemoryLog(AccountId("demo"))

    async def write() -> None:
        for number, event in enumerate(events):
            await log.append([entry(log.account, event, identity=f"e{number}")])

    asyncio.run(write())
    return log


def _recordings(log: MemoryLog) -> LogRecordings:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Log]:
        yield log

    return LogRecordings(opened)


def test_a_tape_is_in_the_exchanges_order_and_keeps_when_each_row_was_received() -> None:
    late_book = book(2.9, [(10_010, 5)], [(10_000, 4)], late=3.0)
    tape = market_day(recorded(trade(4.2, 10_000, 3, 3, late=0.3), late_book, LEVEL)).tape
    rows = [
        (Kind(kind).name, (moment - NINE) / SECOND)
        for kind, moment in zip(tape.kind.tolist(), tape.at.tolist(), strict=True)
        if kind in (Kind.TRADE, Kind.BOOK, Kind.EVENT)
    ]
    # Usually 2.9 seconds late, as the later of two frames was: the book was the second's last.
    assert rows == [("EVENT", 2.6), ("BOOK", 2.999999999), ("TRADE", 4.0)]
    assert tape.seen is not None
    seen = {
        Kind(kind).name: moment for kind, moment in zip(tape.kind, tape.seen.tolist(), strict=True)
    }
    # The book came after the trade: nothing overtakes, so the trade counts as received with it.
    assert seen["BOOK"] == seen["TRADE"] == at(5.9)


def test_a_trade_keeps_its_totals_and_a_book_its_levels() -> None:
    tape = market_day(
        recorded(book(1, [(10_010, 5), (10_020, 6)], [(10_000, 4)]), trade(3, 10_000, 3, 8))
    ).tape
    (row,) = (tape.kind == Kind.TRADE).nonzero()[0].tolist()
    assert (tape.price[row], tape.quantity[row], tape.volume[row], tape.value[row]) == (
        10_000, 3, 8, 80_000,
    )  # fmt: skip
    assert tape.books.ask_prices[0, :3].tolist() == [10_010, 10_020, 0]
    assert tape.books.bid_quantities[0, :2].tolist() == [4, 0]


def test_a_day_brings_what_came_from_outside_and_nothing_of_its_own_account() -> None:
    halt = HaltSet(
        at=at(60), issued_by="kim", reason="lunch", scope=HaltScope.ACCOUNT, target="*",
        mode=HaltMode.NO_ENTRIES,
    )  # fmt: skip
    balance = AccountSnapshot(at=at(61), trading_date=DATE, cash=1, equity=1, holdings=())
    tick = ClockTick(at=at(62), phase=Phase.CONTINUOUS)
    day = market_day(recorded(trade(3, 10_000, 3, 3), LEVEL, halt, balance, tick))
    assert day.opening == (terms(),)
    told = [note for note in day.tape.notes if isinstance(note, Event)]
    assert told == [LEVEL, halt]
    phases = [note.phase for note in day.tape.notes if isinstance(note, EnterPhase)]
    assert sorted(phases) == sorted(Phase)
    assert (day.session.open_at, day.session.day) == (NINE, ON)
    assert [each.symbol for each in day.listings] == [SAMSUNG]


def test_books_that_nobody_saw_are_reported() -> None:
    assert market_day(recorded(trade(3, 10_000, 3, 3))).problems == (
        "no books of 1 issues were received: theirs are assumed",
    )
    assert market_day(recorded(book(1, [(10_010, 5)], []))).problems == ()


def test_the_days_of_a_log_are_read_one_by_one() -> None:
    days = RecordedDays(_recordings(_log(opening(), terms(), trade(3, 10_000, 3, 3))))
    assert list(days.dates) == [ON]
    (day,) = days.days()
    assert day.tape.symbols == (SAMSUNG,)
    with pytest.raises(NoMarketData, match="2025-09-16"):
        days.day(date(2025, 9, 16))


def test_equal_logs_have_equal_hashes_and_another_trade_changes_it() -> None:
    def data_hash(price: int) -> str:
        log = _log(opening(), terms(), trade(3, price, 3, 3))
        return RecordedDays(_recordings(log)).data_hash

    assert data_hash(10_000) == data_hash(10_000) != data_hash(10_010)


def test_a_date_that_is_not_on_the_log_is_named_with_those_that_are() -> None:
    with pytest.raises(NoSuchSession, match="no session 20250916; it has: 20250915"):
        _recordings(_log(opening())).session(date(2025, 9, 16))


def test_sealed_days_give_the_same_session_as_the_log(tmp_path: Path) -> None:
    log = _log(opening(), terms(), book(1, [(10_010, 5)], []), trade(3, 10_000, 3, 3))
    asyncio.run(seal_day(log, tmp_path, DATE, code_version="1", ended=True))
    sealed = SealedRecordings(tmp_path / "demo")
    assert list(sealed.dates) == [ON]
    from_log = _recordings(log).session(ON)
    whole = sealed.session(ON)
    assert whole.entries == from_log.entries[: len(whole.entries)]
    assert whole.opening == from_log.opening
    assert whole.unreadable == 0
    settings = DataSettings(source=Source.RECORDINGS, path=str(tmp_path / "demo"))
    assert list(days_from(settings).dates) == [ON]


def test_a_folder_without_sealed_days_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(NoMarketData, match="<recordings>/<account>"):
        SealedRecordings(tmp_path / "demo")


def test_every_way_of_delivery_gives_the_same_backtest_of_a_recorded_day() -> None:
    whole = played_day()
    morning = RecordedSession(
        account=whole.account, opening=whole.opening, entries=whole.entries[:2_500]
    )

    days = RecordedDays(SessionRead(morning))

    def result_hash(how: Delivery) -> str:
        result = run(
            BacktestSettings(
                name="recorded",
                strategies=(StrategySettings(name="kpr"),),
                data=DataSettings(source=Source.RECORDINGS, path="-", registrations=0, tick_s=20),
                delivery=how,
            ),
            days,
        )
        assert len(result.orders) > 5
        return result.provenance.result_hash

    with plugged("kpr", monkey):
        assert (
            result_hash(Delivery.EVERY)
            == result_hash(Delivery.REFERENCE)
            == result_hash(Delivery.BLOCK)
        )
