"""The day's summary against figures worked out by hand (see ``day``)."""

from __future__ import annotations

from events import TradingDate
from projections import Projector, require_schema, summarize
from projections.schema import Connection
from tests.projections import day


async def test_the_summary_of_the_day_is_the_sum_worked_out_by_hand(
    connection: Connection, dsn: str
) -> None:
    """Fees 0.015 % each side, tax 0.15 % of sales, an open position's sold part included."""
    await require_schema(connection)
    log = await day.log_of(day.scripted_day() + day.next_morning())
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log))
    await projector.commit()

    summary = await summarize(dsn, day.ACCOUNT, day.DATE)
    assert summary is not None
    assert (summary.gross, summary.fees, summary.tax, summary.net) == (
        50_250,
        2_522,
        11_431,
        36_297,
    )
    assert (summary.trades_closed, summary.wins, summary.losses, summary.trades_open) == (
        3,
        2,
        1,
        1,
    )
    assert summary.intents == {
        "approved": 9,
        "deferred": 1,
        "expired": 1,
        "modified": 1,
        "rejected": 1,
    }
    assert summary.orders == {"cancelled": 1, "filled": 7, "rejected": 1}
    assert (summary.fills, summary.position, summary.set_aside) == (10, 109, 1)
    assert (summary.opening_equity, summary.equity) == (100_000_000, 99_900_000)
    (kmp,) = summary.strategies
    assert (kmp.strategy, kmp.net, kmp.unrealized) == ("KMP", 36_297, -30_000)
    # 43,796 / 101,000 = 0.4336, -11,783 / 10,000 = -1.1783 and 416 / 20,200 = 0.0206
    assert kmp.realized_r == -0.7241


async def test_the_newest_day_is_the_default_and_an_unknown_one_is_none(
    connection: Connection, dsn: str
) -> None:
    """A day without rows is not a day of zeros."""
    await require_schema(connection)
    assert await summarize(dsn, day.ACCOUNT) is None
    log = await day.log_of(day.scripted_day() + day.next_morning())
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log))
    await projector.commit()
    newest = await summarize(dsn, day.ACCOUNT)
    assert newest is not None
    assert (newest.trading_date, newest.net, newest.orders) == ("20250916", 0, {})
    assert await summarize(dsn, day.ACCOUNT, TradingDate("20200102")) is None


async def test_trades_carry_their_means_and_r(connection: Connection) -> None:
    """5,621,000 / 80 = 70,262.5; 5,675,000 / 80 = 70,937.5; 43,796 / (5,621,000 - 80 × 69,000).

    Corrected: (20 × 30,000 + 200) / 20 = 30,010; (15 × 30,100 - 100) / 15 = 30,093.3333.
    """
    await require_schema(connection)
    log = await day.log_of(day.scripted_day())
    projector = await Projector.open(connection, log)
    await projector.take(day.entries(log))
    await projector.commit()
    cursor = await connection.execute(
        "SELECT symbol, entry_price::TEXT, exit_price::TEXT, gross_pnl, net_pnl, initial_risk,"
        " realized_r::TEXT FROM kst.trades ORDER BY symbol"
    )
    assert await cursor.fetchall() == [
        ("000270", "100000.0000", "99000.0000", -10_000, -11_783, 10_000, "-1.1783"),
        ("005490", "30010.0000", "30093.3333", 1_250, 416, 20_200, "0.0206"),
        ("005930", "70262.5000", "70937.5000", 54_000, 43_796, 101_000, "0.4336"),
        ("035720", "50000.0000", "50500.0000", 5_000, 3_868, 80_000, None),
    ]
