"""What operators' commands make of a log and of what was typed, without a running day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import pytest

from bus import LogUnavailable, MemoryLog, Progress, SharedTime, entry
from deploy import run_configuration
from deploy.configuration import SHIPPED
from deploy.controls import adopting, cancelling, desk, halting, limiting, presence
from deploy.controls.adopting import AdoptRequest, adopt_command
from deploy.controls.cancelling import CancelRequest, cancel_command
from deploy.controls.desk import Desk, running_runs
from deploy.controls.flattening import flatten_command
from deploy.controls.halting import HaltRequest, halt_command, resume_command
from deploy.controls.in_force import InForce
from deploy.controls.limiting import LimitsRequest, limits_command
from deploy.controls.presence import PresenceRequest, presence_command
from deploy.data_directory import LAYOUT, DataDirectory, Manifest, Ports, RunLock
from deploy.errors import (
    ChangeUnreadable,
    DeployError,
    HaltTargetMissing,
    HaltTargetUnused,
    NoSuchHalt,
    NothingNamed,
    NothingToAdopt,
    NotRunning,
    OwnerNeeded,
    PresenceTooSlow,
    ReasonMissing,
    SessionNotOpen,
    StopLowered,
    StopMisplaced,
    StopNeeded,
    SymbolNeeded,
    TooFewShares,
    UnknownChoice,
    UnknownOwner,
)
from events import EXTERNAL, UNKNOWN, AccountId, Event, StrategyId, Symbol, calendar, codec
from events.control import (
    CancelRequested,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    LimitsChanged,
    LimitsRefused,
    OperatorPresent,
    SharesReallocated,
)
from events.errors import InvalidIdentifier
from events.identifiers import IntentId, OrderId, TradingDate, fill_id
from events.market import OpeningAllocation, SessionOpened
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    FillSource,
    Holding,
    IntentApproved,
    OrderAccepted,
    OrderFilled,
    OrderHeld,
    OrderKind,
    OrderRejected,
    OrderSubmitting,
    Side,
    StopChanged,
    StopState,
)
from risk.errors import SettingsError

HOURS = calendar.session(date(2025, 9, 15))
DAY = TradingDate("20250915")
KMP, PCIM, SAMSUNG = StrategyId("KMP"), StrategyId("PCIM"), Symbol("005930")
LIMITS = run_configuration.read(SHIPPED).session_texts()
ENTRY = IntentId("20250915-KMP-005930-E1")
FIRST, SECOND = OrderId(f"{ENTRY}-O1"), OrderId(f"{ENTRY}-O2")


def opened(
    *allocations: OpeningAllocation, limits: dict[str, float] | None = None, day: TradingDate = DAY
) -> SessionOpened:
    """Return opening books with the shipped limits."""
    return SessionOpened(
        at=HOURS.auction_from,
        trading_date=day,
        open_at=HOURS.open_at,
        closing_auction_at=HOURS.closing_auction_at,
        close_at=HOURS.close_at,
        cash=10_000_000,
        equity=10_000_000,
        allocations=allocations,
        configuration=LIMITS,
        code_version="test",
        limits=dict(limits or {}),
    )


def drift(broker: int, owners: int) -> DriftDetected:
    """Return a finding about Samsung."""
    return DriftDetected(
        at=2, trading_date=DAY, symbol=SAMSUNG, broker_quantity=broker, allocated_quantity=owners
    )


def snapshot(quantity: int) -> AccountSnapshot:
    """Return a balance with shares of Samsung bought at 70,000 won that cost 71,000 now."""
    holding = Holding(
        symbol=SAMSUNG,
        quantity=quantity,
        sellable=quantity,
        cost=quantity * 70_000,
        last_price=71_000,
    )
    return AccountSnapshot(at=quantity, trading_date=DAY, cash=1, equity=1, holdings=(holding,))


def allowed(quantity: int = 10) -> IntentApproved:
    """Return the approval of KMP's entry."""
    return IntentApproved(
        at=3, cause=1, intent_id=ENTRY, strategy=KMP, symbol=SAMSUNG, checks=(), quantity=quantity
    )


def sent(order: OrderId) -> OrderSubmitting:
    """Return the write-ahead of an order of KMP's entry."""
    return OrderSubmitting(
        at=4,
        cause=2,
        order_id=order,
        intent_id=ENTRY,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=10,
        limit_price=70_000,
        cancel_at=9,
    )


def filled(quantity: int) -> OrderFilled:
    """Return an execution of the first order."""
    return OrderFilled(
        at=5,
        order_id=FIRST,
        fill_id=fill_id(FIRST, quantity),
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=quantity,
        price=70_000,
        amount=quantity * 70_000,
        cumulative_quantity=quantity,
        fee=0,
        tax=0,
        source=FillSource.NOTICE,
    )


def lost() -> OrderRejected:
    """Return that the broker does not list the first order."""
    return OrderRejected(at=5, order_id=FIRST, code="NOT_FOUND", message="not listed")


def found() -> OrderAccepted:
    """Return that the broker lists it after all."""
    return OrderAccepted(at=6, order_id=FIRST, broker_order="7", branch="1", adopted=True)


def ended() -> ExecutionEnded:
    """Return that nothing more follows of KMP's entry."""
    return ExecutionEnded(
        at=7,
        cause=3,
        intent_id=ENTRY,
        strategy=KMP,
        symbol=SAMSUNG,
        side=Side.BUY,
        quantity=10,
        filled_quantity=0,
        orders=1,
        reason="withdrawn",
    )


def changed(**changes: float | None) -> LimitsChanged:
    """Return a change of limits of the risk section."""
    named = {f"risk.{key}": value for key, value in changes.items()}
    return LimitsChanged(at=3, issued_by="ann", reason="r", changes=dict(named))


def folded(*events: Event) -> InForce:
    """Return what is in force after entries 1, 2, …."""
    state = InForce()
    for sequence, event in enumerate(events, 1):
        state.take(sequence, event)
    return state


# -- what is in force ----------------------------------------------------------------------------


def test_a_refused_change_of_limits_takes_no_other_change_with_it() -> None:
    """The gate refuses the second of three changes: the first and the third hold."""
    state = folded(
        opened(),
        changed(max_position_pct=0.1),
        changed(max_gross_exposure_pct=7.0),
        changed(max_spread_bps=30.0),
        LimitsRefused(at=4, cause=3, reason="too much"),
    )
    assert state.limits == {"risk.max_position_pct": 0.1, "risk.max_spread_bps": 30.0}
    assert state.refused_limits == {3: "too much"}


def test_a_limit_is_put_back_to_that_of_the_file() -> None:
    """``None`` ends an override, also one that the opening carried."""
    state = folded(opened(limits={"risk.max_position_pct": 0.1}), changed(max_position_pct=None))
    assert state.limits == {}


def test_a_drift_belongs_to_nobody_until_it_is_cleared() -> None:
    """Missing shares are negative, and the finding stands until the reconciliation ends it."""
    state = folded(opened(OpeningAllocation(KMP, SAMSUNG, 10, 700_000)), snapshot(7), drift(7, 10))
    assert state.owned(SAMSUNG) == {KMP: 10, UNKNOWN: -3}
    state.take(9, DriftCleared(at=3, trading_date=DAY, symbol=SAMSUNG))
    assert (state.owned(SAMSUNG), state.drifts, state.cleared_at) == ({KMP: 10}, {}, {SAMSUNG: 9})


@pytest.mark.parametrize(
    ("story", "working"),
    [
        ((allowed(),), [ENTRY]),
        ((allowed(0),), []),
        ((allowed(), sent(FIRST)), [FIRST]),
        ((allowed(), sent(FIRST), filled(10)), [FIRST]),
        ((allowed(), sent(FIRST), lost()), [ENTRY]),
        ((allowed(), sent(FIRST), lost(), sent(SECOND)), [SECOND]),
        ((allowed(), sent(FIRST), lost(), ended()), []),
        ((allowed(), sent(FIRST), lost(), ended(), found()), [FIRST]),
    ],
)
def test_what_works_is_an_order_alive_or_an_execution_not_ended(
    story: tuple[Event, ...], working: list[str]
) -> None:
    """Also between two orders, and also when an order given up turns up after the end."""
    assert [item.name for item in folded(opened(), *story).working()] == working


def test_an_order_that_was_replaced_stands_for_its_successor() -> None:
    """A cancel by the id that the operator has read a moment ago ends the execution."""
    state = folded(opened(), allowed(), sent(FIRST), lost(), sent(SECOND))
    assert [item.name for item in state.matching(FIRST, None, None)] == [SECOND]
    assert state.matching(f"{ENTRY}-O7", None, None) == ()
    assert [item.name for item in state.matching(None, SAMSUNG, KMP)] == [SECOND]
    assert state.matching(None, SAMSUNG, PCIM) == ()


def test_a_held_order_is_known_by_its_own_id() -> None:
    """It has not left the router, and can be cancelled all the same."""
    held = OrderHeld(
        at=4, cause=2, order_id=FIRST, intent_id=ENTRY, stop_price=71_000, expires_at=9
    )
    state = folded(opened(), allowed(), held)
    assert [item.name for item in state.matching(FIRST, None, None)] == [FIRST]


def test_a_new_session_begins_with_its_own_books() -> None:
    """Nothing of the day before works, drifts or is owned unless the opening carries it."""
    state = folded(opened(), allowed(), sent(FIRST), filled(4), drift(9, 4), opened())
    assert (list(state.working()), state.owned(SAMSUNG), state.drifts) == ([], {}, {})


# -- commands on a log ---------------------------------------------------------------------------


class Ground:
    """A run's directory and a log in memory that commands are led to; the gate reads at once."""

    def __init__(self, folder: Path) -> None:
        self.directory = DataDirectory.create(folder, _manifest())
        SharedTime.create(self.directory.clock, start=HOURS.open_at, speed=1.0)
        self.gate_reads(1_000_000)
        self.log = MemoryLog(AccountId("demo"))

    def gate_reads(self, position: int) -> None:
        """Let the gate be this far."""
        Progress(self.directory.progress("risk")).report(position, 0)

    def put(self, *events: Event) -> None:
        """Append entries."""
        asyncio.run(self._put(events))

    async def _put(self, events: tuple[Event, ...]) -> None:
        for event in events:
            await self.log.append([entry(self.log.account, event)])

    @property
    def desk(self) -> Desk:
        """What a command works at."""
        return Desk(self.directory, self.log)  # type: ignore[arg-type]  # read and append only

    @property
    def newest(self) -> Event:
        """The last entry of the log."""
        return asyncio.run(self._newest())

    async def _newest(self) -> Event:
        recorded = await self.log.get((await self.log.info()).last_sequence)
        assert recorded is not None
        return codec.decode(recorded.payload)


def _manifest() -> Manifest:
    return Manifest(
        layout=LAYOUT,
        account=AccountId("demo"),
        trading_date=DAY,
        start=HOURS.open_at,
        speed=1.0,
        bars=None,
        seed=1,
        symbols=1,
        strategies=("kmp",),
        code_version="test",
        ports=Ports(nats=1, rest=2, feed=3, admin=4),
    )


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A run whose session has opened with 10 shares of KMP under a stop, and whose desk is open."""
    made = Ground(tmp_path / "run")
    broken = tmp_path / "broken"

    @asynccontextmanager
    async def opening(path: Path | None) -> AsyncIterator[Desk]:
        if path == broken:
            raise LogUnavailable("no answer", "look")
        yield made.desk

    for room in (adopting, cancelling, halting, limiting, presence):
        monkeypatch.setattr(room, "open_desk", opening)
    monkeypatch.setattr(desk, "_OBEYED_WITHIN", 0.05)
    made.put(opened(OpeningAllocation(KMP, SAMSUNG, 10, 700_000, 65_000)), snapshot(10))
    return made


def halt(**changes: object) -> HaltRequest:
    """Return a halt of the account with some of it changed."""
    fields = {
        "scope": "account",
        "target": None,
        "mode": "no-entries",
        "reason": "odd",
        "by": "ann",
        "data_dirs": (),
    }
    return HaltRequest(**(fields | changes))  # type: ignore[arg-type]  # a request's fields


def adopt(**changes: object) -> AdoptRequest:
    """Return an adoption of Samsung with some of it changed."""
    fields = dict.fromkeys(("owner", "quantity", "stop", "cost", "data_dir"))
    fields |= {"symbol": "005930", "reason": "by phone", "by": "ann", "wait_s": 0.0}
    return AdoptRequest(**(fields | changes))  # type: ignore[arg-type]  # a request's fields


def cancel(**changes: object) -> CancelRequest:
    """Return a cancel of nothing with some of it changed."""
    fields = dict.fromkeys(("order_id", "symbol", "strategy", "data_dir"))
    fields |= {"everything": False, "reason": "typo", "by": "ann", "wait_s": 0.0}
    return CancelRequest(**(fields | changes))  # type: ignore[arg-type]  # a request's fields


def change(*changes: str, resets: tuple[str, ...] = (), reason: str = "r") -> LimitsRequest:
    """Return a change of limits."""
    return LimitsRequest(changes=changes, resets=resets, reason=reason, by="ann", data_dir=None)


def test_a_target_without_its_scope_is_refused(ground: Ground) -> None:
    """``kst resume --target KMP`` meant the strategy: it must not open the account."""
    ground.put(
        HaltSet(
            at=1,
            issued_by="ann",
            reason="r",
            scope=HaltScope.ACCOUNT,
            target="*",
            mode=HaltMode.FLATTEN,
        )
    )
    for command in (halt_command, resume_command, flatten_command):
        with pytest.raises(HaltTargetUnused):
            command(halt(target="KMP"), as_json=True)
    assert isinstance(ground.newest, HaltSet)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (halt(reason=" "), ReasonMissing),
        (halt(scope="galaxy"), UnknownChoice),
        (halt(mode="stop"), UnknownChoice),
        (halt(scope="symbol"), HaltTargetMissing),
        (halt(scope="strategy", target="  "), HaltTargetMissing),
    ],
)
def test_a_halt_that_says_too_little_is_refused(
    ground: Ground, request_: HaltRequest, error: type[DeployError]
) -> None:
    """Nothing is appended, and the message says what to do."""
    with pytest.raises(error):
        halt_command(request_, as_json=True)
    assert isinstance(ground.newest, AccountSnapshot)


def test_a_halt_of_a_name_nobody_has_stands_and_is_told(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    """No halt is refused for a name, and a slip of the hand does not go unseen."""
    assert halt_command(halt(scope="strategy", target="kpm"), as_json=False) == 0
    assert isinstance(ground.newest, HaltSet)
    assert ground.newest.target == "KPM"
    assert "KPM is no name that this run knows" in capsys.readouterr().err
    halt_command(halt(scope="strategy", target="kmp"), as_json=False)
    assert "no name" not in capsys.readouterr().err


def test_a_run_that_is_not_reached_keeps_no_other_from_being_halted(
    ground: Ground, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The halt of all hosts names the one that failed, and the exit status says so."""
    paths = (tmp_path / "broken", ground.directory.path)
    assert halt_command(halt(scope="all-hosts", data_dirs=paths), as_json=False) == 1
    assert isinstance(ground.newest, HaltSet)
    assert ground.newest.scope is HaltScope.ALL_HOSTS
    assert "failed: no answer" in " ".join(capsys.readouterr().err.split())


def test_flattening_all_hosts_reaches_every_run(ground: Ground, tmp_path: Path) -> None:
    """Also behind a run that is not reached."""
    paths = (tmp_path / "broken", ground.directory.path)
    assert flatten_command(halt(scope="all-hosts", data_dirs=paths), as_json=True) == 1
    assert isinstance(ground.newest, HaltSet)
    assert ground.newest.mode is HaltMode.FLATTEN


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ((), 1),
        ((SharesReallocated(at=1, issued_by="a", reason="r", symbol=SAMSUNG, source=KMP,
                            target=EXTERNAL, quantity=10, cost=0),), 0),
        ((SharesReallocated(at=1, issued_by="a", reason="r", symbol=SAMSUNG, source=KMP,
                            target=EXTERNAL, quantity=10, cost=0), allowed(), sent(FIRST)), 1),
    ],
)  # fmt: skip
def test_a_run_is_flat_when_nothing_is_held_and_nothing_works(
    ground: Ground, events: tuple[Event, ...], status: int
) -> None:
    """A buy still working may fill after all; the account holder's shares do not count."""
    ground.put(*events)
    assert flatten_command(halt(), as_json=True) == status


def test_a_gate_that_does_not_read_is_told(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    """The halt stands, nobody obeys it, and the exit status is 1."""
    ground.gate_reads(1)
    assert halt_command(halt(), as_json=False) == 1
    assert "the risk gate has not read it" in " ".join(capsys.readouterr().err.split())


def test_what_is_not_in_force_is_not_released(ground: Ground) -> None:
    """A trigger that did not set the halt releases nothing."""
    halt_command(halt(), as_json=True)
    with pytest.raises(NoSuchHalt, match=r"account \(feed gap\).*account \(operator\)"):
        resume_command(halt(trigger="feed-gap"), as_json=True)
    assert resume_command(halt(trigger="operator"), as_json=True) == 0
    assert isinstance(ground.newest, HaltReleased)


# -- adopting ------------------------------------------------------------------------------------


def test_surplus_shares_go_to_a_strategy_with_a_stop(ground: Ground) -> None:
    """At the broker's mean price unless another is said."""
    ground.put(snapshot(17), drift(17, 10))
    adopt_command(adopt(owner="kmp", stop=66_000), as_json=True)
    event = ground.newest
    assert isinstance(event, SharesReallocated)
    assert (event.source, event.target, event.quantity) == (UNKNOWN, KMP, 7)
    assert (event.cost, event.protective_stop) == (490_000, 66_000)


def test_adopting_never_lowers_the_stop_of_shares_already_there(ground: Ground) -> None:
    """One stop protects all of a strategy's shares of a symbol; without --stop it stays."""
    ground.put(snapshot(17), drift(17, 10))
    with pytest.raises(StopLowered, match="65,000"):
        adopt_command(adopt(owner="KMP", stop=100), as_json=True)
    adopt_command(adopt(owner="KMP"), as_json=True)
    assert isinstance(ground.newest, SharesReallocated)
    assert ground.newest.protective_stop is None


def test_the_stop_that_counts_is_the_guards_last_word(ground: Ground) -> None:
    """The strategy has trailed it since the open."""
    trailed = StopChanged(
        at=3,
        cause=1,
        strategy=KMP,
        symbol=SAMSUNG,
        generation=2,
        state=StopState.ACTIVE,
        quantity=10,
        stop_price=68_000,
        price=None,
    )
    ground.put(trailed, snapshot(17), drift(17, 10))
    with pytest.raises(StopLowered, match="68,000"):
        adopt_command(adopt(owner="KMP", stop=66_000), as_json=True)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (adopt(symbol="000660"), NothingToAdopt),
        (adopt(reason=" "), ReasonMissing),
        (adopt(owner="KPM", stop=66_000), UnknownOwner),
        (adopt(owner="_unknown_"), UnknownOwner),
        (adopt(stop=66_000), OwnerNeeded),
        (adopt(owner="KMP", stop=71_000), StopMisplaced),
        (adopt(quantity=8), TooFewShares),
        (adopt(symbol=None), SymbolNeeded),
    ],
)
def test_an_adoption_that_cannot_be_meant_is_refused(
    ground: Ground, request_: AdoptRequest, error: type[DeployError]
) -> None:
    """Nothing is appended: no shares for a strategy that is none, no stop that is dropped."""
    ground.put(snapshot(17), drift(17, 10))
    with pytest.raises(error):
        adopt_command(request_, as_json=True)
    assert isinstance(ground.newest, DriftDetected)


def test_the_first_shares_of_a_strategy_need_a_stop(ground: Ground) -> None:
    """They are protected from the first moment on."""
    other = Symbol("000660")
    found_shares = DriftDetected(
        at=2, trading_date=DAY, symbol=other, broker_quantity=3, allocated_quantity=0
    )
    ground.put(found_shares)
    with pytest.raises(StopNeeded):
        adopt_command(adopt(symbol="000660", owner="KMP"), as_json=True)


def test_missing_shares_are_taken_off_their_only_owner(ground: Ground) -> None:
    """Nothing is earned by it, and no more is taken than is missing."""
    ground.put(snapshot(7), drift(7, 10))
    with pytest.raises(TooFewShares):
        adopt_command(adopt(quantity=4), as_json=True)
    with pytest.raises(TooFewShares, match="0 are owned by _EXTERNAL_"):
        adopt_command(adopt(owner="external"), as_json=True)
    adopt_command(adopt(), as_json=True)
    event = ground.newest
    assert isinstance(event, SharesReallocated)
    assert (event.source, event.target, event.quantity, event.cost) == (KMP, UNKNOWN, 3, 0)


def test_of_several_owners_the_one_that_lacks_shares_must_be_named(ground: Ground) -> None:
    """It is not guessed."""
    ground.put(
        SharesReallocated(
            at=1,
            issued_by="a",
            reason="r",
            symbol=SAMSUNG,
            source=KMP,
            target=EXTERNAL,
            quantity=4,
            cost=0,
        ),
        drift(8, 10),
    )
    with pytest.raises(OwnerNeeded, match="KMP, _EXTERNAL_"):
        adopt_command(adopt(), as_json=True)
    adopt_command(adopt(owner="external"), as_json=True)
    assert isinstance(ground.newest, SharesReallocated)
    assert ground.newest.source == EXTERNAL


def test_drift_carried_over_a_night_is_not_over_before_it_is_compared(ground: Ground) -> None:
    """The opening carries the shares and no finding; the adoption alone proves nothing."""
    carried = OpeningAllocation(UNKNOWN, SAMSUNG, 5, 350_000)
    ground.put(opened(carried, day=TradingDate("20250916")), snapshot(5))
    assert adopt_command(adopt(), as_json=True) == 1


def test_a_part_of_the_drift_leaves_the_rest(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said at once, without waiting for a reconciliation that cannot end it."""
    ground.put(snapshot(17), drift(17, 10))
    assert adopt_command(adopt(quantity=2, wait_s=60.0), as_json=False) == 1
    assert "5 shares of 005930 still do not add up" in " ".join(capsys.readouterr().err.split())


# -- cancelling, limits, presence ----------------------------------------------------------------


def test_a_cancel_says_when_it_concerned_nothing(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped id must not look like a withdrawal; the request stands all the same."""
    ground.put(allowed(), sent(FIRST))
    assert cancel_command(cancel(order_id=f"{ENTRY}-O9"), as_json=False) == 1
    assert isinstance(ground.newest, CancelRequested)
    shown = " ".join(capsys.readouterr().err.split())
    assert "nothing that works matches" in shown
    assert f"not concerned and working: {FIRST}" in shown


def test_a_cancel_is_done_when_the_order_is_over(ground: Ground) -> None:
    """Not when somebody has read it."""
    ground.put(allowed(), sent(FIRST))
    assert cancel_command(cancel(symbol="005930"), as_json=True) == 1

    async def over() -> None:
        await asyncio.sleep(0.3)
        for event in (lost(), ended()):
            await ground.log.append([entry(ground.log.account, event)])

    async def both() -> None:
        ending = asyncio.create_task(over())
        result = await cancelling._cancel(cancel(everything=True, wait_s=10.0))
        await ending
        assert FIRST in result.concerned
        assert result.working == ()

    asyncio.run(both())


def test_a_cancel_of_everything_is_asked_for_in_so_many_words(ground: Ground) -> None:
    """No option is not everything."""
    with pytest.raises(NothingNamed):
        cancel_command(cancel(), as_json=True)


@pytest.mark.parametrize("text", ["risk.max_position_pct", "=0.1", "risk.max_position_pct= ", ""])
def test_a_change_without_key_or_value_is_refused(ground: Ground, text: str) -> None:
    """Nothing is appended."""
    with pytest.raises(ChangeUnreadable):
        limits_command(change(text), as_json=True)
    assert isinstance(ground.newest, AccountSnapshot)


@pytest.mark.parametrize(
    "text",
    ["risk.max_position_pct=nan", "risk.max_position_pct=inf", "risk.max_position_pct=0,1",
     "risk.max_positions_count=2.5", "risk=1", "no.limit=1", "profile=wild"],
)  # fmt: skip
def test_what_the_gate_would_refuse_is_refused_before_it_is_written(
    ground: Ground, text: str
) -> None:
    """The command applies the gate's own rules."""
    with pytest.raises(SettingsError):
        limits_command(change(text), as_json=True)
    assert isinstance(ground.newest, AccountSnapshot)


def test_numbers_words_and_resets_become_one_change(ground: Ground) -> None:
    """Whole numbers stay whole, and a reset is no value."""
    request = change(
        "risk.max_position_pct=0.10",
        "risk.min_daily_value_won=4_000_000_000",
        "profile=conservative",
        resets=("risk.max_spread_bps",),
    )
    assert limits_command(request, as_json=True) == 0
    assert isinstance(ground.newest, LimitsChanged)
    assert ground.newest.changes == {
        "risk.max_spread_bps": None,
        "risk.max_position_pct": 0.1,
        "risk.min_daily_value_won": 4_000_000_000,
        "profile": "conservative",
    }


def test_one_key_is_not_changed_twice_by_one_command(ground: Ground) -> None:
    """Which of two values was meant is not guessed."""
    with pytest.raises(ChangeUnreadable):
        limits_command(change("profile=standard", "profile=conservative"), as_json=True)
    with pytest.raises(ChangeUnreadable):
        limits_command(change("profile=standard", resets=("profile",)), as_json=True)


def test_limits_are_those_of_a_session(tmp_path: Path, ground: Ground) -> None:
    """Before the day is open there are none to change."""
    ground.log = MemoryLog(AccountId("demo"))
    with pytest.raises(SessionNotOpen):
        limits_command(change("risk.max_position_pct=0.1"), as_json=True)


def test_presence_with_signs_too_far_apart_is_refused() -> None:
    """One lost sign of life would halt the account."""
    fields = {"link": "desk", "timeout_s": 60, "every_s": 31.0, "by": None, "data_dir": None}
    with pytest.raises(PresenceTooSlow):
        presence_command(PresenceRequest(**fields))  # type: ignore[arg-type]  # its fields
    fields |= {"link": "my desk", "every_s": 15.0}
    with pytest.raises(InvalidIdentifier):
        presence_command(PresenceRequest(**fields))  # type: ignore[arg-type]  # its fields


def test_presence_ends_with_the_run(ground: Ground) -> None:
    """The run's clock stands still then: whoever watches is told, and does not wait for ever."""
    request = PresenceRequest(link="desk", timeout_s=60, every_s=15.0, by="ann", data_dir=None)
    with pytest.raises(NotRunning):
        presence_command(request)
    assert isinstance(ground.newest, OperatorPresent | AccountSnapshot)


# -- which runs are going ------------------------------------------------------------------------


def test_all_hosts_passes_by_what_is_no_run_of_this_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of an older kst must not keep the runs that are going from being halted."""
    monkeypatch.chdir(tmp_path)
    going = DataDirectory.create(tmp_path / "kst-data" / "b", _manifest())
    DataDirectory.create(tmp_path / "kst-data" / "c", _manifest())
    old = tmp_path / "kst-data" / "a"
    old.mkdir()
    (old / "manifest.json").write_text('{"layout": 0}')
    (tmp_path / "kst-data" / "notes.txt").write_text("x")
    with pytest.raises(NotRunning):
        running_runs(())
    with RunLock(going):
        assert running_runs(()) == (Path("kst-data") / "b",)
