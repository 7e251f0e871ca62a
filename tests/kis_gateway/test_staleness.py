"""Silence, measured against an issue's habits, and losses, proven by cumulative volume."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events import Symbol
from events.market import (
    Aggressor,
    MarketOperation,
    Trade,
    TradeFrame,
    VolatilityInterruption,
)
from events.signal import Feed
from kis_gateway.feeds.staleness import Missing, StalenessSettings, StalenessWatch
from tests.kis_gateway.fakes import HYNIX, OPEN, SAMSUNG, SECOND, SESSION


def frame(seconds: float, *volumes: tuple[int, int], symbol: Symbol = SAMSUNG) -> TradeFrame:
    """Return a frame ``seconds`` after the open of trades given as (quantity, cumulative)."""
    at = OPEN + round(seconds * SECOND)
    return TradeFrame(
        at=at,
        symbol=symbol,
        trades=tuple(
            Trade(
                time=at,
                price=70_000,
                quantity=quantity,
                aggressor=Aggressor.BUY,
                cumulative_volume=cumulative,
                cumulative_value=cumulative * 70_000,
                best_ask=70_100,
                best_bid=70_000,
                vi_reference=0,
                auction=False,
            )
            for quantity, cumulative in volumes
        ),
    )


def watching(*symbols: Symbol, at: int = OPEN) -> StalenessWatch:
    watch = StalenessWatch(SESSION, StalenessSettings())
    for symbol in symbols or (SAMSUNG,):
        watch.subscribe(Feed.TRADES, symbol, at)
    return watch


def stale_at(watch: StalenessWatch, seconds: float) -> list[Symbol]:
    return [each.symbol for each in watch.stale(OPEN + round(seconds * SECOND))]


def lively(watch: StalenessWatch, seconds: int, pause: int = 2) -> None:
    """Let an issue trade one share every ``pause`` seconds."""
    for number, second in enumerate(range(pause, seconds + 1, pause), start=1):
        watch.trade(frame(second, (1, number)))


def test_consecutive_volumes_prove_that_nothing_is_missing() -> None:
    """Within a frame and from one to the next."""
    watch = watching()
    assert watch.trade(frame(1, (10, 10), (5, 15))) is None
    assert watch.trade(frame(2, (1, 16))) is None


def test_a_jump_of_the_volume_proves_trades_lost_between_two_receipts() -> None:
    """100 shares so far, then a trade of 5 that makes 130: 25 shares were not received."""
    watch = watching()
    watch.trade(frame(1, (100, 100)))
    assert watch.trade(frame(4, (5, 130))) == Missing(
        symbol=SAMSUNG, begun_at=OPEN + SECOND, ended_at=OPEN + 4 * SECOND, shares=25
    )
    assert watch.trade(frame(5, (1, 131))) is None


def test_the_first_trade_and_the_first_after_an_acknowledgement_prove_nothing() -> None:
    """What came before the subscription was not lost on it."""
    watch = watching()
    assert watch.trade(frame(1, (1, 5_000))) is None
    watch.subscribe(Feed.TRADES, SAMSUNG, OPEN + 2 * SECOND)
    assert watch.trade(frame(3, (1, 9_000))) is None


def test_after_a_renewal_the_first_trade_shows_what_may_be_missing_since_it() -> None:
    """Trades lost on the new line before its first frame are not hidden by those lost before it."""
    watch = watching()
    watch.trade(frame(1, (10, 10)))
    watch.subscribe(Feed.TRADES, SAMSUNG, OPEN + 5 * SECOND, renewed=True)
    assert watch.trade(frame(8, (1, 31))) == Missing(
        symbol=SAMSUNG,
        begun_at=OPEN + 5 * SECOND,
        ended_at=OPEN + 8 * SECOND,
        shares=20,
        before_volume=30,
    )
    watch.subscribe(Feed.TRADES, SAMSUNG, OPEN + 9 * SECOND, renewed=True)
    assert watch.trade(frame(10, (1, 32))) is None
    watch.subscribe(Feed.TRADES, SAMSUNG, OPEN + 11 * SECOND, renewed=True)
    assert watch.compare(Feed.TRADES, SAMSUNG, 40, OPEN + 140 * SECOND) is None
    assert watch.compare(Feed.TRADES, SAMSUNG, 41, OPEN + 260 * SECOND) == Missing(
        symbol=SAMSUNG, begun_at=OPEN + 11 * SECOND, ended_at=OPEN + 260 * SECOND, shares=1
    )


def test_a_volume_that_starts_again_claims_nothing() -> None:
    """A new day begins at 0."""
    watch = watching()
    watch.trade(frame(1, (1, 5_000)))
    assert watch.trade(frame(2, (3, 3))) is None
    assert watch.trade(frame(3, (1, 4))) is None


def test_what_is_not_subscribed_is_never_missing() -> None:
    """A late frame of a slot that was given back counts for nothing."""
    watch = watching()
    watch.trade(frame(1, (1, 1)))
    watch.unsubscribe(Feed.TRADES, SAMSUNG)
    assert watch.trade(frame(2, (1, 9))) is None
    assert watch.compare(Feed.TRADES, SAMSUNG, 99, OPEN + 3 * SECOND) is None


def test_a_lively_issue_is_stale_after_thirty_seconds_and_a_thin_one_much_later() -> None:
    """Four times its longest pause of late, at least 30 s."""
    lively_one, thin = watching(), watching()
    lively(lively_one, 40)
    assert stale_at(lively_one, 69) == []
    assert stale_at(lively_one, 70) == [SAMSUNG]
    lively(thin, 500, pause=50)
    assert stale_at(thin, 699) == []
    assert stale_at(thin, 700) == [SAMSUNG]


def test_an_issue_that_never_spoke_is_stale_after_two_minutes() -> None:
    """Acknowledged and mute: KIS acknowledges codes it has nothing for."""
    watch = watching(SAMSUNG, HYNIX)
    lively(watch, 118)
    assert stale_at(watch, 119) == []
    (mute,) = watch.stale(OPEN + 120 * SECOND)
    assert (mute.symbol, mute.spoken, mute.since, mute.volume) == (HYNIX, False, OPEN, None)
    assert watch.live == 1


def test_each_silence_is_told_once_and_again_after_as_long() -> None:
    """So that the broker is asked now and then, not all the time."""
    watch = watching()
    lively(watch, 40)
    assert stale_at(watch, 70) == [SAMSUNG]
    assert stale_at(watch, 71) == []
    assert stale_at(watch, 99) == []
    assert stale_at(watch, 100) == [SAMSUNG]


def test_silence_does_not_count_in_auctions_halts_interruptions_and_without_a_line() -> None:
    """And afterwards it counts from the end of what excused it."""
    watch = watching()
    lively(watch, 40)

    def operation(seconds: int, *, halted: bool, interrupted: bool) -> MarketOperation:
        return MarketOperation(
            at=OPEN + seconds * SECOND,
            symbol=SAMSUNG,
            halted=halted,
            reason="",
            code="",
            expected_code="",
            designation="00",
            interrupted=interrupted,
            interrupted_after_hours=False,
        )

    watch.operate(operation(41, halted=True, interrupted=False))
    assert stale_at(watch, 500) == []
    watch.operate(operation(501, halted=False, interrupted=True))
    assert stale_at(watch, 550) == []
    watch.operate(operation(600, halted=False, interrupted=False))
    assert stale_at(watch, 629) == []
    assert stale_at(watch, 630) == [SAMSUNG]
    watch.operate(
        VolatilityInterruption(
            at=OPEN + 640 * SECOND, symbol=SAMSUNG, active=True, reference_price=70_000
        )
    )
    assert stale_at(watch, 900) == []
    watch.disconnected()
    watch.operate(operation(901, halted=False, interrupted=False))
    assert stale_at(watch, 2_000) == []
    watch.connected()
    assert stale_at(watch, 2_000) == [SAMSUNG]
    auction = (SESSION.closing_auction_at - OPEN) / SECOND
    assert stale_at(watch, auction + 500) == []


def test_a_comparison_tells_quiet_from_lost() -> None:
    """The same volume at the broker: nothing traded. More: exactly that is missing, once."""
    watch = watching()
    watch.trade(frame(1, (10, 10)))
    assert watch.compare(Feed.TRADES, SAMSUNG, 10, OPEN + 60 * SECOND) is None
    assert watch.compare(Feed.TRADES, SAMSUNG, 40, OPEN + 90 * SECOND) == Missing(
        symbol=SAMSUNG, begun_at=OPEN + SECOND, ended_at=OPEN + 90 * SECOND, shares=30
    )
    assert watch.compare(Feed.TRADES, SAMSUNG, 40, OPEN + 95 * SECOND) is None
    assert watch.trade(frame(100, (5, 50))) == Missing(
        symbol=SAMSUNG, begun_at=OPEN + 90 * SECOND, ended_at=OPEN + 100 * SECOND, shares=5
    )


def test_a_comparison_with_an_answer_older_than_the_last_trade_says_nothing() -> None:
    """The trade was on its way while the broker was asked."""
    watch = watching()
    watch.trade(frame(1, (10, 10)))
    watch.trade(frame(61, (30, 40)))
    assert watch.compare(Feed.TRADES, SAMSUNG, 40, OPEN + 60 * SECOND) is None


def test_the_first_comparison_of_a_mute_issue_gives_the_second_something_to_compare_with() -> None:
    """Its volume may all be from before the subscription."""
    watch = watching()
    assert watch.compare(Feed.TRADES, SAMSUNG, 500, OPEN + 120 * SECOND) is None
    assert watch.compare(Feed.TRADES, SAMSUNG, 501, OPEN + 240 * SECOND) == Missing(
        symbol=SAMSUNG, begun_at=OPEN, ended_at=OPEN + 240 * SECOND, shares=1
    )


@given(
    st.lists(st.tuples(st.integers(1, 100), st.booleans()), min_size=1, max_size=30),
)
def test_exactly_the_shares_that_were_dropped_are_missing(
    trades: list[tuple[int, bool]],
) -> None:
    """Whatever is dropped between two received trades, and in spans that never overlap."""
    watch = watching()
    cumulative = dropped = found = 0
    last_end, received = 0, False
    for second, (quantity, arrives) in enumerate(trades, start=1):
        cumulative += quantity
        if not arrives:
            dropped += quantity if received else 0
            continue
        missing = watch.trade(frame(second, (quantity, cumulative)))
        expected, dropped = dropped if received else 0, 0
        received = True
        found = 0 if missing is None else missing.shares
        assert found == expected
        if missing is not None:
            assert last_end <= missing.begun_at < missing.ended_at == OPEN + second * SECOND
            last_end = missing.ended_at


def test_a_trade_ends_a_halt_whose_end_was_never_told() -> None:
    """Else the silence of an issue that was halted once would not count for the rest of the day."""
    watch = watching()
    watch.operate(
        VolatilityInterruption(at=OPEN, symbol=SAMSUNG, active=True, reference_price=70_000)
    )
    assert stale_at(watch, 130) == []
    lively(watch, 160)
    assert stale_at(watch, 189) == []
    assert stale_at(watch, 190) == [SAMSUNG]
