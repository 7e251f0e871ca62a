"""A scripted day with figures that can be checked by hand, as lives that may be interleaved.

Fees are 0.015 % each side, tax 0.15 % of sales (2025), fractions of a won cut off.

=========  =====================================  =========  ====  =====  =======
symbol     what                                   gross      fees  tax    net
=========  =====================================  =========  ====  =====  =======
005930     buy 30 @ 70,200 + 50 @ 70,300;         54,000     1692  8512   43,796
           sell 30 @ 71,000 + 50 @ 70,900
000270     buy 10 @ 100,000; sell 10 @ 99,000     -10,000    298   1485   -11,783
035720     buy 40 of 100 @ 50,000, cancelled;     5,000      375   757    3,868
           sell 10 @ 50,500; 30 remain
005490     buy 20 @ 30,000, 200 won more by the   1,250      157   677    416
           broker's books; 5 given away; sell
           15 @ 30,100, 100 won less by them
all                                               50,250     2522  11431  36,297
=========  =====================================  =========  ====  =====  =======
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time

from bus import Entry, Log, MemoryLog, Recorded
from events import (
    EXTERNAL,
    UNKNOWN,
    AccountId,
    Event,
    FillId,
    IntentId,
    OrderId,
    StrategyId,
    Symbol,
    TradingDate,
    calendar,
    codec,
    control,
    market,
    ops,
    signal,
    subjects,
    trading,
)
from events.trading import Side

ACCOUNT = AccountId("demo")
DATE = TradingDate("20250915")
OPEN = calendar.instant(date(2025, 9, 15), time(9))
KMP = StrategyId("KMP")
SAMSUNG, KIA, KAKAO = Symbol("005930"), Symbol("000270"), Symbol("035720")
HYNIX, NAVER, POSCO = Symbol("000660"), Symbol("035420"), Symbol("005490")
SECOND = 1_000_000_000


def at(seconds: float) -> int:
    """Return the instant ``seconds`` after the open."""
    return OPEN + round(seconds * SECOND)


def opening() -> list[Event]:
    """Return what every day begins with."""
    return [
        ops.ServiceStarted(
            at=at(-600), service="gateway", run="r1", code_version="1", configuration={"a": 1}
        ),
        market.SessionOpened(
            at=at(-540),
            trading_date=DATE,
            open_at=OPEN,
            closing_auction_at=at(22_800),
            close_at=at(23_400),
            cash=98_800_000,
            equity=100_000_000,
            allocations=(
                market.OpeningAllocation(
                    strategy=EXTERNAL, symbol=HYNIX, quantity=10, cost=900_000
                ),
            ),
            configuration={"oms": "{}"},
            code_version="1",
        ),
        signal.RegimeSet(
            at=at(-530), trading_date=DATE, regime=signal.Regime.STRONG, source="test"
        ),
    ]


def intent(
    symbol: Symbol,
    purpose: str,
    *,
    seconds: float,
    quantity: int | None,
    kind: trading.IntentKind = trading.IntentKind.ENTER,
    reason: str = "breakout",
    reference: int | None = None,
    limit: int | None = None,
    trigger: int | None = None,
    stop: int | None = None,
) -> trading.IntentSubmitted:
    """Return an intent of KMP."""
    return trading.IntentSubmitted(
        at=at(seconds),
        cause=1,
        intent_id=IntentId(f"{DATE}-KMP-{symbol}-{purpose}"),
        strategy=KMP,
        symbol=symbol,
        kind=kind,
        quantity=quantity,
        urgency=trading.Urgency.NORMAL,
        horizon=trading.Horizon.INTRADAY,
        reason=reason,
        attempt=1,
        expires_at=at(seconds + 60),
        reference_price=reference,
        limit_price=limit,
        stop_price=trigger,
        protective_stop=stop,
        facts={"strength": 1.5},
    )


CHECK = trading.Check(
    name="max_position", value=0.07, limit=0.15, outcome=trading.CheckOutcome.PASS
)


def approved(wish: trading.IntentSubmitted, quantity: int) -> trading.IntentApproved:
    """Return the gate's yes to a wish."""
    return trading.IntentApproved(
        at=wish.at,
        cause=2,
        intent_id=wish.intent_id,
        strategy=wish.strategy,
        symbol=wish.symbol,
        checks=(CHECK,),
        quantity=quantity,
    )


def order_of(wish: trading.IntentSubmitted, ordinal: int = 1) -> OrderId:
    """Return the id of a wish's order."""
    return OrderId(f"{wish.intent_id}-O{ordinal}")


def submitting(
    wish: trading.IntentSubmitted, side: Side, quantity: int, limit: int | None, seconds: float
) -> trading.OrderSubmitting:
    """Return the write-ahead of a wish's order."""
    return trading.OrderSubmitting(
        at=at(seconds),
        order_id=order_of(wish),
        cause=3,
        intent_id=wish.intent_id,
        strategy=wish.strategy,
        symbol=wish.symbol,
        side=side,
        kind=trading.OrderKind.MARKET if limit is None else trading.OrderKind.LIMIT,
        quantity=quantity,
        limit_price=limit,
        cancel_at=at(seconds + 30),
        epoch=1,
    )


def accepted(
    order: OrderId, seconds: float, number: str, *, adopted: bool = False
) -> trading.OrderAccepted:
    """Return the broker's receipt."""
    return trading.OrderAccepted(
        at=at(seconds), order_id=order, broker_order=number, branch="91252", adopted=adopted
    )


def fill(
    wish: trading.IntentSubmitted,
    side: Side,
    quantity: int,
    price: int,
    *,
    seconds: float,
    cumulative: int,
    fee: int,
    tax: int = 0,
) -> trading.OrderFilled:
    """Return an execution with its fee and tax written out by the caller."""
    order = order_of(wish)
    return trading.OrderFilled(
        at=at(seconds),
        order_id=order,
        fill_id=FillId(f"{order}-F{cumulative}"),
        strategy=wish.strategy,
        symbol=wish.symbol,
        side=side,
        quantity=quantity,
        price=price,
        amount=quantity * price,
        cumulative_quantity=cumulative,
        fee=fee,
        tax=tax,
        source=trading.FillSource.NOTICE,
    )


def closed(
    order: OrderId, seconds: float, state: trading.OrderState, quantity: int
) -> trading.OrderClosed:
    """Return the end of an order."""
    return trading.OrderClosed(
        at=at(seconds), order_id=order, state=state, filled_quantity=quantity, reason="done"
    )


def ended(
    wish: trading.IntentSubmitted, side: Side, allowed: int, filled: int, *, seconds: float
) -> trading.ExecutionEnded:
    """Return the router's word that it is done with a wish."""
    return trading.ExecutionEnded(
        at=at(seconds),
        cause=4,
        intent_id=wish.intent_id,
        strategy=wish.strategy,
        symbol=wish.symbol,
        side=side,
        quantity=allowed,
        filled_quantity=filled,
        orders=1,
        reason="complete" if filled == allowed else "lifetime",
    )


def correction(
    wish: trading.IntentSubmitted, side: Side, quantity: int, amount: int, *, seconds: float
) -> trading.FillCorrected:
    """Return what the broker's books add to the traded value of a wish's order."""
    return trading.FillCorrected(
        at=at(seconds),
        order_id=order_of(wish),
        ordinal=1,
        strategy=wish.strategy,
        symbol=wish.symbol,
        side=side,
        quantity=quantity,
        amount=amount,
        fee=0,
        tax=0,
        reason="the broker's books",
    )


def moved(
    symbol: Symbol,
    source: StrategyId,
    target: StrategyId,
    quantity: int,
    *,
    seconds: float,
    cost: int = 0,
    stop: int | None = None,
) -> control.SharesReallocated:
    """Return an operator's change of owner."""
    return control.SharesReallocated(
        at=at(seconds),
        issued_by="operator",
        reason="counted",
        symbol=symbol,
        source=source,
        target=target,
        quantity=quantity,
        cost=cost,
        protective_stop=stop,
    )


def samsung_round_trip() -> list[Event]:
    """Return a breakout: asked 100, cut to 80, held, filled in two parts, sold in two parts."""
    enter = intent(
        SAMSUNG,
        "E1",
        seconds=600,
        quantity=100,
        reference=70_000,
        limit=70_300,
        trigger=70_100,
        stop=69_000,
    )
    leave = intent(
        SAMSUNG,
        "X1",
        seconds=1_800,
        quantity=None,
        kind=trading.IntentKind.EXIT,
        reason="time_stop",
        reference=71_000,
    )
    bought, sold = order_of(enter), order_of(leave)
    return [
        enter,
        trading.IntentModified(
            at=enter.at,
            cause=2,
            intent_id=enter.intent_id,
            strategy=KMP,
            symbol=SAMSUNG,
            checks=(CHECK,),
            quantity=80,
            requested_quantity=100,
            binding_check="max_position",
        ),
        trading.OrderHeld(
            at=enter.at,
            order_id=bought,
            cause=2,
            intent_id=enter.intent_id,
            stop_price=70_100,
            expires_at=at(660),
        ),
        submitting(enter, Side.BUY, 80, 70_300, 610),
        # The notice of the first fill overtakes the reply to the order.
        fill(enter, Side.BUY, 30, 70_200, seconds=611, cumulative=30, fee=315),
        accepted(bought, 611.5, "0000000011"),
        fill(enter, Side.BUY, 50, 70_300, seconds=612, cumulative=80, fee=527),
        closed(bought, 612, trading.OrderState.FILLED, 80),
        ended(enter, Side.BUY, 80, 80, seconds=612),
        leave,
        approved(leave, 80),
        submitting(leave, Side.SELL, 80, None, 1_800),
        accepted(sold, 1_801, "0000000012"),
        fill(leave, Side.SELL, 30, 71_000, seconds=1_802, cumulative=30, fee=319, tax=3_195),
        # Learned again through inquiry: not a second fill.
        fill(leave, Side.SELL, 30, 71_000, seconds=1_803, cumulative=30, fee=319, tax=3_195),
        fill(leave, Side.SELL, 50, 70_900, seconds=1_804, cumulative=80, fee=531, tax=5_317),
        closed(sold, 1_804, trading.OrderState.FILLED, 80),
        ended(leave, Side.SELL, 80, 80, seconds=1_804),
    ]


def kia_round_trip() -> list[Event]:
    """Return a loss: stopped out one tick area below, the entry's reply lost and adopted."""
    enter = intent(
        KIA, "E1", seconds=700, quantity=10, reference=100_000, limit=100_000, stop=99_000
    )
    leave = intent(
        KIA, "X1", seconds=900, quantity=None, kind=trading.IntentKind.EXIT, reason="stop"
    )
    bought, sold = order_of(enter), order_of(leave)
    return [
        enter,
        approved(enter, 10),
        submitting(enter, Side.BUY, 10, 100_000, 700),
        trading.OrderUnknown(at=at(706), order_id=bought, reason="no answer within 5 s"),
        accepted(bought, 707, "0000000021", adopted=True),
        fill(enter, Side.BUY, 10, 100_000, seconds=708, cumulative=10, fee=150),
        closed(bought, 708, trading.OrderState.FILLED, 10),
        leave,
        approved(leave, 10),
        submitting(leave, Side.SELL, 10, None, 900),
        accepted(sold, 901, "0000000022"),
        fill(leave, Side.SELL, 10, 99_000, seconds=902, cumulative=10, fee=148, tax=1_485),
        closed(sold, 902, trading.OrderState.FILLED, 10),
    ]


def kakao_part() -> list[Event]:
    """Return an entry cancelled after 40 of 100, its stop moved, 10 sold, 30 kept."""
    enter = intent(
        KAKAO, "E1", seconds=1_000, quantity=100, reference=49_900, limit=50_000, stop=48_000
    )
    move = intent(
        KAKAO,
        "M1",
        seconds=1_100,
        quantity=None,
        kind=trading.IntentKind.MODIFY_RISK,
        reason="trail",
        stop=49_500,
    )
    reduce = intent(
        KAKAO, "R1", seconds=1_200, quantity=10, kind=trading.IntentKind.REDUCE, reason="partial"
    )
    bought, sold = order_of(enter), order_of(reduce)
    return [
        enter,
        approved(enter, 100),
        submitting(enter, Side.BUY, 100, 50_000, 1_000),
        accepted(bought, 1_001, "0000000031"),
        fill(enter, Side.BUY, 40, 50_000, seconds=1_010, cumulative=40, fee=300),
        trading.CancelSubmitting(at=at(1_030), order_id=bought, attempt=1, reason="time"),
        trading.CancelUnknown(at=at(1_031), order_id=bought, attempt=1, reason="no answer"),
        trading.CancelSubmitting(at=at(1_032), order_id=bought, attempt=2, reason="time"),
        trading.CancelAccepted(at=at(1_033), order_id=bought, attempt=2, broker_order="0000000032"),
        closed(bought, 1_034, trading.OrderState.CANCELLED, 40),
        ended(enter, Side.BUY, 100, 40, seconds=1_034),
        move,
        approved(move, 0),
        reduce,
        approved(reduce, 10),
        submitting(reduce, Side.SELL, 10, None, 1_200),
        accepted(sold, 1_201, "0000000033"),
        fill(reduce, Side.SELL, 10, 50_500, seconds=1_202, cumulative=10, fee=75, tax=757),
        closed(sold, 1_202, trading.OrderState.FILLED, 10),
    ]


def posco_moved() -> list[Event]:
    """Return a round trip of which five shares were missing, twice corrected by the broker."""
    enter = intent(
        POSCO, "E1", seconds=1_400, quantity=20, reference=30_000, limit=30_000, stop=29_000
    )
    leave = intent(
        POSCO, "X1", seconds=1_500, quantity=None, kind=trading.IntentKind.EXIT, reason="time_stop"
    )
    bought, sold = order_of(enter), order_of(leave)
    return [
        enter,
        approved(enter, 20),
        submitting(enter, Side.BUY, 20, 30_000, 1_400),
        accepted(bought, 1_401, "0000000041"),
        fill(enter, Side.BUY, 20, 30_000, seconds=1_402, cumulative=20, fee=90),
        closed(bought, 1_402, trading.OrderState.FILLED, 20),
        ended(enter, Side.BUY, 20, 20, seconds=1_402),
        stop_at(POSCO, trading.StopState.ACTIVE, seconds=1_402, quantity=20, stop=29_000),
        correction(enter, Side.BUY, 20, 200, seconds=1_410),
        moved(POSCO, KMP, UNKNOWN, 5, seconds=1_420),
        moved(POSCO, UNKNOWN, EXTERNAL, 5, seconds=1_430, cost=150_000),
        leave,
        approved(leave, 15),
        submitting(leave, Side.SELL, 15, None, 1_500),
        accepted(sold, 1_501, "0000000042"),
        fill(leave, Side.SELL, 15, 30_100, seconds=1_502, cumulative=15, fee=67, tax=677),
        closed(sold, 1_502, trading.OrderState.FILLED, 15),
        ended(leave, Side.SELL, 15, 15, seconds=1_502),
        stop_at(POSCO, trading.StopState.DONE, seconds=1_502, quantity=0, stop=29_000),
        correction(leave, Side.SELL, 15, -100, seconds=1_510),
    ]


def stop_at(
    symbol: Symbol,
    state: trading.StopState,
    *,
    seconds: float,
    quantity: int,
    stop: int | None,
    price: int | None = None,
) -> trading.StopChanged:
    """Return the guard's word on the protection of KMP's shares."""
    return trading.StopChanged(
        at=at(seconds),
        cause=5,
        strategy=KMP,
        symbol=symbol,
        generation=1,
        state=state,
        quantity=quantity,
        stop_price=stop,
        price=price,
    )


def refusals() -> list[Event]:
    """Return wishes that came to nothing: rejected, deferred, expired, refused by the broker."""
    no = intent(NAVER, "E1", seconds=300, quantity=5, reference=200_000)
    later = intent(NAVER, "E2", seconds=400, quantity=5, reference=200_000)
    old = intent(NAVER, "E3", seconds=500, quantity=5, reference=200_000)
    sent = intent(NAVER, "E4", seconds=550, quantity=5, reference=200_000)
    return [
        no,
        trading.IntentRejected(
            at=no.at,
            cause=2,
            intent_id=no.intent_id,
            strategy=KMP,
            symbol=NAVER,
            checks=(CHECK,),
            rejected_by="max_gross",
            reason="0.95 > 0.90",
        ),
        later,
        trading.IntentDeferred(
            at=later.at,
            cause=2,
            intent_id=later.intent_id,
            strategy=KMP,
            symbol=NAVER,
            checks=(),
            deferred_by="vi_cooldown",
            reason="volatility interruption",
        ),
        trading.IntentExpired(at=old.at, intent=old),
        sent,
        approved(sent, 5),
        submitting(sent, Side.BUY, 5, 200_000, 551),
        trading.OrderRejected(
            at=at(552), order_id=order_of(sent), code="APBK0919", message="주문\x00불가"
        ),
    ]


def holding(symbol: Symbol, quantity: int, cost: int, last: int) -> trading.Holding:
    """Return a broker position."""
    return trading.Holding(
        symbol=symbol, quantity=quantity, sellable=quantity, cost=cost, last_price=last
    )


def account_life() -> list[Event]:
    """Return snapshots, drift, brakes, services and a feed that failed for a while."""
    hynix = holding(HYNIX, 10, 900_000, 120_000)
    return [
        ops.Heartbeat(at=at(30), service="gateway", run="r1", position=9, figures={"lag": 0.5}),
        market.PhaseChanged(at=at(0), trading_date=DATE, phase=market.Phase.CONTINUOUS),
        trading.AccountSnapshot(
            at=at(650),
            trading_date=DATE,
            cash=93_000_000,
            equity=100_300_000,
            holdings=(hynix, holding(SAMSUNG, 80, 5_621_000, 71_500)),
            deposits=(98_000_000, 94_000_000, 93_000_000),
        ),
        ops.Degraded(at=at(660), service="gateway", condition="feed", detail="stalled"),
        ops.FeedGap(
            at=at(670),
            service="gateway",
            begun_at=at(655),
            ended_at=at(670),
            symbols=(),
            reason="x",
        ),
        ops.Recovered(at=at(671), service="gateway", condition="feed", detail="frames again"),
        trading.DriftDetected(
            at=at(680), trading_date=DATE, symbol=NAVER, broker_quantity=7, allocated_quantity=0
        ),
        control.HaltTripped(
            at=at(680),
            cause=6,
            scope=control.HaltScope.SYMBOL,
            target=NAVER,
            mode=control.HaltMode.NO_ENTRIES,
            trigger=control.HaltTrigger.DRIFT,
            rule="drift",
            reason="broker 7, owners 0",
        ),
        control.HaltSet(
            at=at(690),
            scope=control.HaltScope.ACCOUNT,
            target=control.EVERYTHING,
            mode=control.HaltMode.REDUCE_ONLY,
            issued_by="operator",
            reason="news",
        ),
        trading.DriftCleared(at=at(720), trading_date=DATE, symbol=NAVER),
        control.HaltCleared(
            at=at(720),
            cause=7,
            scope=control.HaltScope.SYMBOL,
            target=NAVER,
            trigger=control.HaltTrigger.DRIFT,
            reason="owners and broker agree",
        ),
        control.LimitsChanged(
            at=at(730),
            issued_by="operator",
            reason="volatile",
            changes={"risk.max_position_pct": 0.1, "profile": "live"},
        ),
        control.HaltReleased(
            at=at(800),
            scope=control.HaltScope.ACCOUNT,
            target=control.EVERYTHING,
            issued_by="operator",
            reason="calm again",
        ),
        control.LimitsChanged(
            at=at(810), issued_by="operator", reason="calm again", changes={"profile": None}
        ),
        control.OperatorPresent(
            at=at(820), issued_by="operator", reason="connected", link="console", timeout_s=60
        ),
        control.CancelRequested(
            at=at(830), issued_by="operator", reason="too wide", symbol=KAKAO, strategy=KMP
        ),
        control.HaltSet(
            at=at(1_300),
            scope=control.HaltScope.STRATEGY,
            target=KMP,
            mode=control.HaltMode.NO_ENTRIES,
            issued_by="operator",
            reason="enough",
        ),
        ops.FrameSetAside(at=at(1_400), service="gateway", error="short", frame="0|H0", ordinal=1),
        trading.AccountSnapshot(
            at=at(2_000),
            trading_date=DATE,
            cash=97_000_000,
            equity=99_900_000,
            holdings=(
                hynix,
                holding(KAKAO, 30, 1_500_000, 49_000),
                holding(POSCO, 5, 150_000, 30_000),
            ),
        ),
        ops.Heartbeat(at=at(2_010), service="gateway", run="r1", position=80, figures={"lag": 0.1}),
    ]


def lease_life() -> list[Event]:
    """Return a router that took its lease, renewed it and lost it to another host's."""
    first = {"name": "router", "epoch": 1, "holder": "host-a:11", "run": "r1"}
    second = {"name": "router", "epoch": 2, "holder": "host-b:12", "run": "r2"}
    return [
        control.LeaseTaken(at=at(-500), ttl_ms=3_000, previous="", **first),  # type: ignore[arg-type]  # shared fields
        control.LeaseRenewed(at=at(-499), ordinal=1, **first),  # type: ignore[arg-type]  # shared fields
        control.LeaseReleased(at=at(1_990), **first),  # type: ignore[arg-type]  # shared fields
        control.LeaseTaken(at=at(1_995), ttl_ms=3_000, previous="r1", **second),  # type: ignore[arg-type]  # shared fields
        control.LeaseRenewed(at=at(2_000), ordinal=1, **second),  # type: ignore[arg-type]  # shared fields
    ]


def next_morning() -> list[Event]:
    """Return the next session's opening books, with what the day before left over."""
    later = at(86_400)
    return [
        market.SessionOpened(
            at=later,
            trading_date=TradingDate("20250916"),
            open_at=later,
            closing_auction_at=later + 22_800 * SECOND,
            close_at=later + 23_400 * SECOND,
            cash=97_000_000,
            equity=99_900_000,
            allocations=(
                market.OpeningAllocation(
                    strategy=KMP,
                    symbol=KAKAO,
                    quantity=30,
                    cost=1_500_000,
                    protective_stop=49_500,
                ),
                market.OpeningAllocation(
                    strategy=EXTERNAL, symbol=HYNIX, quantity=10, cost=900_000
                ),
                market.OpeningAllocation(strategy=EXTERNAL, symbol=POSCO, quantity=5, cost=150_000),
            ),
            configuration={},
            code_version="1",
            halts=(
                control.Halt(
                    scope=control.HaltScope.STRATEGY,
                    target=KMP,
                    mode=control.HaltMode.NO_ENTRIES,
                    trigger=control.HaltTrigger.OPERATOR,
                    since=at(1_300),
                    issued_by="operator",
                    reason="enough",
                ),
            ),
            limits={"risk.max_position_pct": 0.1},
        ),
        market.ClockTick(at=later + SECOND, phase=market.Phase.CONTINUOUS),
    ]


def lives() -> list[list[Event]]:
    """Return the day's lives: each in order, among each other in any order."""
    return [
        samsung_round_trip(),
        kia_round_trip(),
        kakao_part(),
        posco_moved(),
        refusals(),
        account_life(),
        lease_life(),
    ]


def scripted_day() -> list[Event]:
    """Return the whole day in the order of its instants."""
    rest = [event for life in lives() for event in life]
    return opening() + sorted(rest, key=lambda event: event.at)


async def log_of(events: Iterable[Event]) -> MemoryLog:
    """Return a log that holds these events."""
    log = MemoryLog(ACCOUNT)
    await append(log, events)
    return log


async def append(log: Log, events: Iterable[Event]) -> None:
    """Append events as they are, also those that a writer would take for duplicates."""
    first = (await log.info()).last_sequence
    for ordinal, event in enumerate(events, start=first):
        await log.append(
            [
                Entry(
                    subjects.subject(log.account, event.topic),
                    codec.encode(event),
                    f"test-{ordinal}",
                )
            ]
        )


async def append_undecodable(log: MemoryLog) -> None:
    """Append an entry that is no event."""
    await log.append(
        [Entry(subjects.subject(log.account, "ops.gateway"), b'{"type":"Nonsense.1"}', "poison")]
    )


def entries(log: MemoryLog) -> Sequence[Recorded]:
    """Return everything on a log."""
    return tuple(log.entries)
