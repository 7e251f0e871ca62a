"""Properties of the pairing of buys and sells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events import StrategyId, Symbol
from events.trading import Side
from research.backtest.market_day import CorporateAction
from tests.research.backtest.runs import Desk

STRATEGIES = (StrategyId("KMP"), StrategyId("KPR"))
SYMBOLS = (Symbol("005930"), Symbol("000660"))

trades = st.lists(
    st.tuples(
        st.sampled_from(STRATEGIES),
        st.sampled_from(SYMBOLS),
        st.booleans(),
        st.integers(1, 50),
        st.integers(1, 9_999),
        st.integers(0, 97),
        st.integers(0, 211),
        st.sampled_from(["", "", "", "split", "merger", "night"]),
    ),
    max_size=40,
)


@given(trades)
def test_every_share_and_every_won_of_the_fills_is_in_the_trades(
    orders: list[tuple[StrategyId, Symbol, bool, int, int, int, int, str]],
) -> None:
    desk = Desk(10**9, owners=STRATEGIES)
    desk.open("20250915")
    for strategy, symbol, buys, quantity, price, fee, tax, after in orders:
        held = desk.held.get((strategy, symbol), 0)
        if buys or held == 0:
            desk.trade(Side.BUY, quantity, price, fee=fee, strategy=strategy, symbol=symbol)
        else:
            desk.trade(
                Side.SELL, min(quantity, held), price, fee=fee, tax=tax,
                strategy=strategy, symbol=symbol,
            )  # fmt: skip
        if after:
            overnight(desk, symbol, after)
    desk.close(dict.fromkeys(SYMBOLS, 77))
    result = desk.result()
    bought = [each for each in result.fills if each.side is Side.BUY]
    sold = [each for each in result.fills if each.side is Side.SELL]
    closed = [each for each in result.trades if each.closed_at]
    still_open = [each for each in result.trades if not each.closed_at]
    assert sum(each.cost for each in result.trades) == sum(each.amount for each in bought)
    assert sum(each.proceeds for each in closed) == sum(each.amount for each in sold)
    assert sum(each.fees for each in result.trades) == sum(each.fee for each in result.fills)
    assert sum(each.tax for each in result.trades) == sum(each.tax for each in result.fills)
    for owner in {(each.strategy, each.symbol) for each in result.trades}:
        left = sum(e.quantity for e in still_open if (e.strategy, e.symbol) == owner)
        assert left == desk.held[owner]
    # What the trades came to is what the strategies gained and what the account is worth.
    assert sum(each.result for each in result.trades) == sum(
        each.result for each in result.strategies[-2:]
    )
    assert result.closing_equity == 10**9 + sum(each.result for each in result.trades)


def overnight(desk: Desk, symbol: Symbol, event: str) -> None:
    """Close the session, carry out a corporate action, open the next."""
    desk.close({})
    if event != "night":
        new, old = (5, 2) if event == "split" else (1, 3)
        desk.ledger.adjust(
            CorporateAction(symbol=symbol, date="20250916", kind=event, new=new, old=old)
        )
        for owner, quantity in desk.held.items():
            if owner[1] == symbol:
                desk.held[owner] = quantity * new // old
    desk.open("20250916")
