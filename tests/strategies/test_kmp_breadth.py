"""Breadth is counted again only where something has changed, and is what a whole count gives."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from events import Symbol
from events.market import Aggressor, Trade
from strategies.kmp.breadth import Breadth
from strategies.kmp.daily import Baseline
from strategies.kmp.setup import Setup
from strategies.kmp.states import State
from strategies.kmp.tape import Tape
from tests.sparing import state_of
from tests.strategies.days import HYNIX, NAVER, SAMSUNG, SECOND, at, scanned_day, settings

OPEN = at("09:00:00")
LOCK = at("09:15:00")
RULES = settings(breadth_rvol_min=1.5, breadth_surge_min=3.0, atr_bars=1)


class Candidates:
    """Three candidates of the day, the last with too small a surge, and one that never was one."""

    def __init__(self) -> None:
        self.setups = [self._setup(symbol) for symbol in (SAMSUNG, HYNIX, NAVER)]
        for rank, setup in enumerate(self.setups, start=1):
            setup.rank, setup.surge, setup.state = rank, 3.0, State.WATCH_BREAK
        self.setups[2].surge = 2.9
        self.stranger = self._setup(Symbol("999999"))
        self.stranger.surge = 9.0
        self.touched: dict[Symbol, Setup] = {}
        self.breadth = Breadth(RULES, OPEN, self.setups, self.touched)
        self._volume: dict[Symbol, int] = {}

    @staticmethod
    def _setup(symbol: Symbol) -> Setup:
        setup = Setup(symbol, Tape(OPEN, LOCK, RULES))
        setup.baseline = Baseline(1_000_000_000, 100, "recorded")
        return setup

    def trade(self, setup: Setup, now: int, price: int, quantity: int, unseen: int) -> None:
        """Have a setup trade, after shares that nobody saw."""
        volume = self._volume.get(setup.symbol, 0) + unseen + quantity
        self._volume[setup.symbol] = volume
        trade = Trade(
            time=now // SECOND * SECOND,
            price=price,
            quantity=quantity,
            aggressor=Aggressor.NONE,
            cumulative_volume=volume,
            cumulative_value=volume * 50_000,
            best_ask=0,
            best_bid=0,
            vi_reference=0,
            auction=False,
        )
        setup.tape.add(trade, now)
        self.touched[setup.symbol] = setup


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("trade", "trade", "trade", "baseline", "done", "held")),
        st.integers(0, 3),  # whose
        st.sampled_from((49_900, 50_000, 50_100)),
        st.integers(1, 120),
        st.sampled_from((0, 0, 0, 0, 0, 5)),  # shares that nobody saw
        st.integers(0, 25),  # seconds after the step before
        st.booleans(),  # whether somebody counts then
    ),
    min_size=10,
    max_size=80,
)


def test_the_clock_completes_the_bar_of_a_candidate_that_does_not_trade() -> None:
    """With the first count of the next minute, so that its true range is known."""
    market = Candidates()
    quiet = market.setups[0]
    market.trade(quiet, LOCK + SECOND, 50_000, 10, unseen=0)
    market.trade(quiet, LOCK + 2 * SECOND, 50_300, 10, unseen=0)
    market.breadth.count(LOCK + 59 * SECOND)
    assert quiet.tape.bars.atr.value is None
    market.breadth.count(LOCK + 60 * SECOND)
    assert quiet.tape.bars.atr.value == 300


@given(steps=_STEPS)
@hypothesis_settings(max_examples=60, deadline=None)
def test_a_count_of_what_has_changed_is_the_whole_count(
    steps: list[tuple[str, int, int, int, int, int, bool]],
) -> None:
    """Tapes are rolled the same as well, so the bars that follow are the same."""
    market, now = Candidates(), LOCK
    for what, whose, price, quantity, unseen, seconds, counts in steps:
        now += seconds * SECOND
        setup = (*market.setups, market.stranger)[whose]
        if what == "trade":
            market.trade(setup, now, price, quantity, unseen)
        elif what == "baseline":
            setup.baseline = Baseline(1_000_000_000, quantity, "recorded")
        elif what == "done":
            setup.state, setup.completed_trade = State.DONE, bool(unseen)
        else:
            setup.state = State.IN_POSITION
        market.touched[setup.symbol] = setup
        if counts:
            whole = deepcopy(market.setups)
            expected = Breadth(RULES, OPEN, whole, {}).count(now)
            assert market.breadth.count(now) == expected
            assert state_of(market.setups) == state_of(whole)
            assert not market.touched


def test_a_baseline_measured_late_counts_from_the_next_tick_on() -> None:
    """The relative volume of one of three candidates falls below its minimum without a trade."""
    day = scanned_day()
    day.tick("09:16:01")
    day.baseline(SAMSUNG, volume=1_000_000)
    day.tick("09:16:02")
    assert day.report().gates["breadth"].last_value == 2


def test_a_trade_below_vwap_counts_from_the_next_tick_on() -> None:
    """One of three candidates leads no more."""
    day = scanned_day()
    day.tick("09:16:01")
    day.print("09:16:01.5", 49_000)
    day.tick("09:16:02")
    assert day.report().gates["breadth"].last_value == 2


def test_a_candidate_that_time_alone_ends_counts_no_more() -> None:
    """It broke its range and was not reclaimed in time; nobody traded meanwhile."""
    day = scanned_day(accept_timeout_min=1, breadth_rvol_min=0)
    day.print("09:16:05", 50_200)
    day.tick("09:17:05")
    day.tick("09:17:06")
    assert day.reason() == "acceptance_timeout"
    day.tick("09:17:07")
    assert day.report().gates["breadth"].last_value == 2
