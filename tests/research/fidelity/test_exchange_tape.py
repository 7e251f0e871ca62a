"""The tape of an issue as its exchange wrote it."""

from __future__ import annotations

from events import Symbol
from events.market import MarketOperation, Phase
from events.ops import SlotsChanged
from kis_gateway.simulator.exchange import (
    EnterPhase,
    HaltIssue,
    MarketBook,
    MarketTrade,
    ResumeIssue,
    TriggerInterruption,
)
from research.fidelity.exchange_tape import issue_tape, listing
from tests.research.fidelity.records import SAMSUNG, at, book, recorded, trade


def _kinds(*events: object) -> list[str]:
    tape = issue_tape(recorded(*events), SAMSUNG)  # type: ignore[arg-type]
    return [
        f"{type(step.command).__name__}{'?' if step.assumed else ''}"
        for step in tape.steps
        if not isinstance(step.command, EnterPhase)
    ]


def _operation(
    seconds: float, *, halted: bool = False, interrupted: bool = False
) -> MarketOperation:
    return MarketOperation(
        at=at(seconds), symbol=SAMSUNG, halted=halted, reason="news" if halted else "", code="",
        expected_code="", designation="00", interrupted=interrupted, interrupted_after_hours=False,
    )  # fmt: skip


def test_what_the_exchange_did_first_comes_first_whenever_it_was_received() -> None:
    late_book = book(5.2, [(10_010, 5)], [(10_000, 5)], late=9.0)
    assert _kinds(trade(7.1, 10_000, 1, 1), late_book) == ["MarketBook", "MarketTrade"]


def test_within_a_second_what_was_received_first_comes_first() -> None:
    assert _kinds(trade(7.9, 10_000, 1, 1), book(7.1, [(10_010, 5)], [(10_000, 5)])) == [
        "MarketTrade",
        "MarketBook",
    ]


def test_a_trade_received_twice_is_one_trade() -> None:
    again = trade(7.0, 10_000, 3, 3, late=4.0)
    with_books = book(1, [(10_010, 5)], [(10_000, 5)])
    assert _kinds(with_books, trade(7.0, 10_000, 3, 3), again) == ["MarketBook", "MarketTrade"]


def test_without_books_each_trade_says_what_stood_beside_it_and_that_is_assumed() -> None:
    tape = issue_tape(recorded(trade(3, 10_000, 7, 7, best=(10_010, 10_000))), SAMSUNG)
    (step,) = [step for step in tape.steps if step.assumed]
    assert step.command == MarketBook(
        at=at(3), symbol=SAMSUNG, asks=((10_010, 7),), bids=((10_000, 7),)
    )


def test_books_are_assumed_only_while_they_were_not_subscribed() -> None:
    def slots(seconds: float, *held: str) -> SlotsChanged:
        return SlotsChanged(at=at(seconds), service="gateway", held=held, waiting=(), budget=40)

    beside = (10_010, 10_000)
    assert _kinds(
        slots(0, "trades:005930"),
        trade(1, 10_000, 1, 1, best=beside),
        slots(2, "trades:005930", "quotes:005930"),
        trade(3, 10_000, 1, 2, best=beside),
        slots(4, "trades:005930", "quotes:000660"),
        trade(5, 10_000, 1, 3, best=beside),
    ) == ["MarketTrade", "MarketBook?", "MarketTrade", "MarketTrade", "MarketBook?"]


def test_the_phases_are_those_of_the_session_and_it_closes_at_its_latest_moment() -> None:
    tape = issue_tape(recorded(), SAMSUNG)
    assert [(step.time, step.command.phase) for step in tape.steps] == [  # type: ignore[attr-defined]
        (at(-1_800), Phase.OPENING_AUCTION),
        (at(0), Phase.CONTINUOUS),
        (at(22_800), Phase.CLOSING_AUCTION),
        (at(23_431), Phase.CLOSED),
    ]


def test_an_interruption_is_as_long_as_it_turned_out_to_be() -> None:
    tape = issue_tape(
        recorded(_operation(100, interrupted=True), _operation(233.5, interrupted=False)), SAMSUNG
    )
    (step,) = [step for step in tape.steps if isinstance(step.command, TriggerInterruption)]
    assert (step.time, step.command.seconds) == (at(100), 133)  # type: ignore[attr-defined]


def test_a_halt_begins_and_ends_when_it_was_told() -> None:
    tape = issue_tape(
        recorded(_operation(10, halted=True), _operation(20, halted=True), _operation(70)), SAMSUNG
    )
    stops = [step.command for step in tape.steps if step.sequence]
    assert stops == [
        HaltIssue(at=at(10), symbol=SAMSUNG, reason="news"),
        ResumeIssue(at=at(70), symbol=SAMSUNG, auction_seconds=0),
    ]


def test_a_place_on_the_log_proves_what_was_told_before_it_and_all_that_happened_before_that() -> (
    None
):
    tape = issue_tape(
        recorded(
            book(1, [(10_010, 5)], [(10_000, 5)]),
            trade(9, 10_000, 1, 1),
            book(4, [(10_010, 5)], [(10_000, 5)], late=8.0),
        ),
        SAMSUNG,
    )
    # Steps: two phases, book of second 1 (entry 3), book of second 4 (entry 5), trade (entry 4).
    assert [type(step.command).__name__ for step in tape.steps[2:5]] == [
        "MarketBook",
        "MarketBook",
        "MarketTrade",
    ]
    assert tape.told_by(3) == 0
    assert tape.told_by(4) == 3
    assert tape.told_by(5) == 5  # the trade proves the book that was told only afterwards


def test_a_book_counts_as_seen_for_a_while() -> None:
    tape = issue_tape(recorded(book(1, [(10_010, 5)], []), trade(50, 10_000, 1, 1)), SAMSUNG)
    assert tape.book_seen(4, 60_000_000_000)
    assert not tape.book_seen(4, 30_000_000_000)
    assert not tape.book_seen(0, 30_000_000_000)


def test_trades_keep_price_quantity_and_who_crossed() -> None:
    tape = issue_tape(recorded(trade(7.3, 10_000, 4, 4)), SAMSUNG)
    (command,) = [s.command for s in tape.steps if isinstance(s.command, MarketTrade)]
    assert (command.at, command.price, command.quantity, command.aggressor) == (
        at(7), 10_000, 4, -1,
    )  # fmt: skip


def test_an_issue_without_terms_on_the_record_has_no_price_limits() -> None:
    unknown = listing(recorded(), Symbol("000660"))
    assert (unknown.lower_limit, unknown.upper_limit) == (1, 1 << 40)
    assert listing(recorded(), SAMSUNG).upper_limit == 13_000
