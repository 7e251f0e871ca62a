"""Every check that measures size on both sides of its limit, and what cutting leaves."""

from __future__ import annotations

from copy import deepcopy

import pytest

from events import EXTERNAL, StrategyId, Symbol, TradingDate
from events.market import OpeningAllocation
from events.signal import Regime, RegimeSet, UniverseSelected
from events.trading import CheckOutcome, IntentModified, Side
from tests.risk.scenario import (
    CONFIGURATION,
    DATE,
    KPR,
    NULRIMOK,
    SECOND,
    A,
    B,
    C,
    Day,
    configuration,
    made,
    outcome,
    reference,
    session,
    stopped_by,
    trades,
)

FAR, NEAR = Symbol("111111"), Symbol("222222")
"""A symbol without a sector, and one of a sector of its own."""


def holding(strategy: StrategyId, symbol: Symbol, shares: int) -> OpeningAllocation:
    """Return shares carried in at 10,000 won each."""
    return OpeningAllocation(strategy, symbol, shares, shares * 10_000)


def sector(day: Day, symbol: Symbol, name: str) -> None:
    """Let a symbol's sector be known."""
    day.feed(
        UniverseSelected(
            at=day.now,
            strategy=KPR,
            trading_date=DATE,
            symbols=(symbol,),
            sectors={symbol: name},
            source="test",
        )
    )


def invested(shares: int, symbol: Symbol = NEAR, **risk: float) -> Day:
    """Return a day of 100 million won with ``shares`` of a symbol held at 10,000 won."""
    held = (holding(EXTERNAL, symbol, shares),)
    cash = 100_000_000 - shares * 10_000
    day = Day(session(cash=cash, allocations=held, settings=configuration(**risk)))
    if symbol == NEAR:
        sector(day, NEAR, "energy")
    day.feed(trades(symbol, 10_000, at=day.now))
    return day


def regime(day: Day, value: Regime, date: TradingDate = DATE) -> None:
    """Let the regime be set for a session."""
    day.feed(RegimeSet(at=day.now, trading_date=date, regime=value, source="test"))


@pytest.mark.parametrize(("shares", "name"), [(1_000, None), (1_001, "gross_exposure")])
def test_gross_exposure_is_refused_above_its_limit(shares: int, name: str | None) -> None:
    """80 million held and 10 million new are 0.90 of equity; one share more is too much."""
    day = invested(8_000, max_net_exposure_pct=1.0)
    regime(day, Regime.STRONG)
    decision = day.enter(shares)
    assert stopped_by(decision) == name
    assert made(decision, "gross_exposure").value == 0.8 + shares / 10_000


def test_gross_exposure_counts_working_buys_at_their_limit() -> None:
    """What was let through counts before any order exists, other strategies' too."""
    day = invested(8_000, max_net_exposure_pct=1.0)
    regime(day, Regime.STRONG)
    day.enter(500, symbol=C, strategy=KPR, limit_price=11_000, protective_stop=10_990)
    assert made(day.enter(100), "gross_exposure").value == 0.865


def test_holdings_count_at_their_last_price() -> None:
    """A rise of the market raises exposure and equity alike."""
    day = invested(5_000)
    day.feed(trades(NEAR, 12_000, at=day.now))
    decision = day.enter(1)
    assert made(decision, "gross_exposure").value == pytest.approx(60_010_000 / 110_000_000)


def test_unexplained_shares_count_as_exposure_but_not_as_profit() -> None:
    """The broker shows 1,000 shares too many: 10 million won more at risk, none earned."""
    day = Day()
    day.drift(C, broker=1_000, allocated=0)
    decision = day.enter(1)
    assert made(decision, "gross_exposure").value == 10_010_000 / 100_000_000
    assert made(decision, "daily_warn").value == 0


@pytest.mark.parametrize(
    ("value", "held", "name"),
    [
        (Regime.CRISIS, 1_900, None),
        (Regime.CRISIS, 1_901, "regime_cap"),
        (Regime.WEAK, 4_900, None),
        (Regime.WEAK, 4_901, "regime_cap"),
        (Regime.NORMAL, 7_900, None),
        (Regime.NORMAL, 7_901, "regime_cap"),
        (Regime.STRONG, 7_901, None),
    ],
)
def test_exposure_stays_within_the_regimes_cap(value: Regime, held: int, name: str | None) -> None:
    """0.20, 0.50, 0.80 and 1.00 of equity."""
    day = invested(held, max_net_exposure_pct=1.0)
    regime(day, value)
    decision = day.enter(100)
    assert stopped_by(decision) == name
    assert made(decision, "regime_cap").note == value.value


def test_the_regime_is_normal_until_it_is_set_for_today() -> None:
    """Yesterday's regime is stale."""
    day = Day()
    regime(day, Regime.CRISIS, TradingDate("20250912"))
    assert made(day.enter(1), "regime_cap").note == "normal"


def test_an_entry_is_cut_to_what_its_symbol_may_hold() -> None:
    """15 % of 100 million won are 1,500 shares; the approved quantity flows back."""
    day = Day()
    decision = day.enter(2_000)
    assert isinstance(decision, IntentModified)
    assert (decision.quantity, decision.requested_quantity) == (1_500, 2_000)
    assert decision.binding_check == "symbol_exposure"
    assert made(decision, "symbol_exposure").value == 0.2
    assert made(decision, "symbol_exposure").outcome is CheckOutcome.MODIFY


def test_the_limit_per_symbol_is_not_cut_when_it_is_just_met() -> None:
    """Exactly 15 % pass."""
    assert outcome(Day().enter(1_500)) == "IntentApproved"


@pytest.mark.parametrize(("shares", "fits"), [(1_499, 1), (1_500, None)])
def test_other_strategies_shares_and_buys_use_the_symbol_up(shares: int, fits: int | None) -> None:
    """Held and working count together; when not one share fits the entry is refused."""
    held = (holding(KPR, A, 1_000), holding(NULRIMOK, A, shares - 1_000))
    cash = 100_000_000 - shares * 10_000
    decision = Day(session(cash=cash, allocations=held)).enter(10)
    if fits is None:
        assert stopped_by(decision) == "symbol_exposure"
    else:
        assert getattr(decision, "quantity", None) == fits


def test_a_working_buy_of_the_symbol_leaves_less_room() -> None:
    """1,000 of 1,500 are being bought by NULRIMOK, whose lock has ended."""
    day = Day()
    day.order(day.enter(1_000, strategy=NULRIMOK), Side.BUY, 1_000)
    day.tick(seconds=61)
    assert getattr(day.enter(1_000), "quantity", None) == 500


@pytest.mark.parametrize(("held", "name"), [(1_999, None), (2_000, "sector_exposure")])
def test_a_sector_stays_below_its_limit(held: int, name: str | None) -> None:
    """B and A are both chips: 20 % and 10 % reach 30 %, which is refused already."""
    decision = invested(held, B).enter(1_000)
    assert stopped_by(decision) == name
    assert made(decision, "sector_exposure").note == "chips"


def test_other_sectors_do_not_count() -> None:
    """C is an internet company."""
    decision = invested(4_000, C).enter(1_000)
    assert made(decision, "sector_exposure").value == 0.1


def test_a_sector_counts_working_buys() -> None:
    """From approval on."""
    day = Day()
    day.enter(1_500, symbol=B, strategy=KPR)
    assert made(day.enter(100), "sector_exposure").value == 0.16


@pytest.mark.parametrize(("held", "name"), [(1_999, None), (2_000, "sector_exposure")])
def test_shares_of_an_unknown_sector_count_in_every_sector(held: int, name: str | None) -> None:
    """They may belong to any of them, so they loosen none."""
    for symbol in (A, C):
        decision = invested(held, FAR).enter(1_000, symbol=symbol)
        assert stopped_by(decision) == name
        assert made(decision, "sector_exposure").value == (held + 1_000) / 10_000


def test_shares_of_a_disputed_sector_count_in_every_sector() -> None:
    """Two names are none."""
    day = invested(2_000, C)
    assert stopped_by(day.enter(1_000)) is None
    day = invested(2_000, C)
    sector(day, C, "media")
    assert stopped_by(day.enter(1_000)) == "sector_exposure"


def test_an_unknown_sector_blocks_unless_the_symbol_is_allowed() -> None:
    """The allow-list names single symbols."""
    day = Day()
    day.feed(reference(FAR))
    decision = day.enter(1, symbol=FAR)
    assert stopped_by(decision) == "sector_exposure"
    assert outcome(decision) == "IntentRejected"
    assert made(decision, "sector_exposure").outcome is CheckOutcome.MISSING
    settings = deepcopy(CONFIGURATION)
    settings["sectors"]["allow_list"] = [FAR]
    day = Day(settings=settings)
    day.feed(reference(FAR))
    for ago in (300, 100, 0):
        day.feed(trades(FAR, 10_000, at=day.now - ago * SECOND, bid=9_990, ask=10_010))
    assert stopped_by(day.enter(1, symbol=FAR)) is None


def test_two_names_for_one_sector_are_no_sector() -> None:
    """A sector limit across strategies needs one map; a dispute blocks."""
    day = Day()
    day.feed(
        UniverseSelected(
            at=day.now,
            strategy=KPR,
            trading_date=DATE,
            symbols=(A,),
            sectors={A: "semiconductors"},
            source="test",
        )
    )
    decision = day.enter(1)
    assert stopped_by(decision) == "sector_exposure"
    assert made(decision, "sector_exposure").note == "two sectors: chips and semiconductors"


def test_yesterdays_sectors_are_not_todays() -> None:
    """A selection of another date is not taken over."""
    day = Day()
    day.feed(
        UniverseSelected(
            at=day.now,
            strategy=KPR,
            trading_date=TradingDate("20250912"),
            symbols=(A,),
            sectors={A: "semiconductors"},
            source="test",
        )
    )
    assert stopped_by(day.enter(1)) is None


def test_an_entry_is_cut_to_the_risk_its_strategy_may_take() -> None:
    """2.5 % of 100 million won over 2,000 won a share to the stop are 1,250 shares."""
    decision = Day().enter(1_400, protective_stop=8_000)
    assert isinstance(decision, IntentModified)
    assert (decision.quantity, decision.binding_check) == (1_250, "trade_risk")
    assert made(decision, "trade_risk").value == 0.028
    assert outcome(Day().enter(1_250, protective_stop=8_000)) == "IntentApproved"


def test_risk_that_does_not_fit_a_single_share_is_refused() -> None:
    """2.5 % of 200,000 won are 5,000 won; the stop is 5,001 won away."""
    settings = configuration(max_position_pct=0.2)
    day = Day(session(cash=200_000, settings=settings))
    assert stopped_by(day.enter(1, protective_stop=5_000)) is None
    day = Day(session(cash=200_000, settings=settings))
    assert stopped_by(day.enter(1, protective_stop=4_999)) == "trade_risk"


@pytest.mark.parametrize(("cash", "quantity"), [(1_000_150, 100), (1_000_149, 99)])
def test_an_entry_is_cut_to_what_cash_pays_with_its_fee(cash: int, quantity: int) -> None:
    """100 shares cost a million won and 150 won fee."""
    day = Day(session(cash=cash, equity=100_000_000))
    decision = day.enter(100)
    assert getattr(decision, "quantity", None) == quantity
    assert made(decision, "orderable_cash").value == 1_000_150
    assert made(decision, "orderable_cash").limit == cash


@pytest.mark.parametrize(("cash", "name"), [(10_001, None), (10_000, "orderable_cash")])
def test_an_entry_that_cash_does_not_pay_a_share_of_is_refused(cash: int, name: str | None) -> None:
    """One share costs 10,000 won and 1 won fee."""
    assert stopped_by(Day(session(cash=cash, equity=100_000_000)).enter(1)) == name


def test_cash_is_pledged_by_working_buys_until_they_end() -> None:
    """Two entries of 4 million out of 6: the second gets what is left, then all after a cancel."""
    day = Day(session(cash=6_000_000, equity=100_000_000))
    first = day.enter(400)
    second = day.enter(400, symbol=C, strategy=KPR)
    assert getattr(second, "quantity", None) == 199  # 6,000,000 - 4,000,600 pay 199 shares
    day.close(day.order(first, Side.BUY, 400))
    assert made(day.enter(1, symbol=B), "orderable_cash").limit == 6_000_000 - 1_990_298


def test_the_broker_may_say_that_there_is_less_cash() -> None:
    """What the broker calls orderable is a ceiling, used up by every approval until it is told."""
    day = Day(session(cash=6_000_000, equity=100_000_000))
    day.snapshot(cash=3_000_000)
    first = day.enter(200)
    assert made(first, "orderable_cash").limit == 3_000_000
    second = day.enter(200, symbol=C, strategy=KPR)
    assert getattr(second, "quantity", None) == 99
    day.snapshot(cash=50_000_000)
    assert made(day.enter(1, symbol=B), "orderable_cash").limit == (6_000_000 - 2_990_000 - 448)


def test_the_smallest_of_several_cuts_wins() -> None:
    """Symbol leaves 1,500, risk 1,250, cash 1,000: what remains is 1,000."""
    day = Day(session(cash=10_001_500, equity=100_000_000))
    decision = day.enter(2_000, protective_stop=8_000)
    assert isinstance(decision, IntentModified)
    cuts = [c.name for c in decision.checks if c.outcome is CheckOutcome.MODIFY]
    assert cuts == ["symbol_exposure", "trade_risk", "orderable_cash"]
    assert (decision.quantity, decision.requested_quantity) == (1_000, 2_000)
    assert decision.binding_check == "orderable_cash"


def test_exposure_is_measured_against_the_smaller_equity() -> None:
    """The broker shows 50 million where the log says 100: 15 % of a symbol are 750 shares."""
    day = Day()
    day.snapshot(cash=100_000_000, equity=50_000_000)
    decision = day.enter(1_000)
    assert isinstance(decision, IntentModified)
    assert (decision.quantity, decision.binding_check) == (750, "symbol_exposure")
    assert made(decision, "gross_exposure").value == 0.2
    assert made(decision, "trade_risk").value == 75_000 / 50_000_000
    assert made(decision, "daily_warn").value == 0
    day = Day()
    day.snapshot(cash=100_000_000, equity=200_000_000)
    assert made(day.enter(1_000), "gross_exposure").value == 0.1
