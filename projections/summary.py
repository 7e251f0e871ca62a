"""The figures of a day for people: what was asked, what was done, what it earned."""

from __future__ import annotations

import msgspec
from psycopg import sql
from psycopg.rows import class_row

from events import AccountId, TradingDate
from projections.schema import LIVE_SCHEMA, Connection, connect


class StrategyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's day, won. ``realized_r`` sums the round trips closed that have a stop."""

    strategy: str
    intents: int
    approved: int
    rejected: int
    deferred: int
    orders: int
    fills: int
    trades_closed: int
    wins: int
    losses: int
    gross: int
    fees: int
    tax: int
    net: int
    unrealized: int
    realized_r: float | None


class DaySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One account's day.

    Counts are by state (``{"filled": 3, …}``). Profit is realised, of closed round trips and of the
    sold part of open ones: ``net = gross - fees - tax``, every fee paid that day included.
    ``unrealized`` values what is still held at the last account snapshot.
    """

    account: AccountId
    trading_date: TradingDate
    intents: dict[str, int]
    orders: dict[str, int]
    fills: int
    trades_open: int
    trades_closed: int
    wins: int
    losses: int
    gross: int
    fees: int
    tax: int
    net: int
    unrealized: int
    opening_equity: int | None
    equity: int | None
    strategies: tuple[StrategyResult, ...]
    set_aside: int
    conditions_open: int
    position: int


async def summarize(
    dsn: str, account: AccountId, trading_date: TradingDate | None = None
) -> DaySummary | None:
    """Return an account's day (default: the newest); ``None`` when the tables have none.

    Raises:
        DatabaseUnreachable: no database answers.
    """
    connection = await connect(dsn)
    async with connection:
        await connection.execute(
            sql.SQL("SET search_path TO {}").format(sql.Identifier(LIVE_SCHEMA))
        )
        if trading_date is None:
            found = await _one(
                connection, "SELECT trading_date FROM v_today WHERE account = %s", account
            )
            if found is None:
                return None
            trading_date = TradingDate(str(found[0]))
        return await _day(connection, account, trading_date)


async def _day(
    connection: Connection, account: AccountId, trading_date: TradingDate
) -> DaySummary | None:
    day = await _one(
        connection,
        "SELECT realized_gross, fees, tax, realized_net, unrealized, opening_equity, equity"
        " FROM risk_daily_portfolio WHERE account = %s AND trading_date = %s",
        account,
        trading_date,
    )
    if day is None:
        return None
    strategies = await _strategies(connection, account, trading_date)
    return DaySummary(
        account=account,
        trading_date=trading_date,
        intents=await _counts(
            connection,
            "SELECT status, count(*) FROM intents"
            " WHERE account = %s AND trading_date = %s GROUP BY 1 ORDER BY 1",
            account,
            trading_date,
        ),
        orders=await _counts(
            connection,
            "SELECT state, count(*) FROM orders"
            " WHERE account = %s AND trading_date = %s GROUP BY 1 ORDER BY 1",
            account,
            trading_date,
        ),
        fills=await _number(
            connection,
            "SELECT count(*) FROM fills"
            " WHERE account = %s AND trading_date = %s AND source <> 'correction'",
            account,
            trading_date,
        ),
        trades_open=await _number(
            connection,
            "SELECT count(*) FROM trades WHERE account = %s AND status = 'open'",
            account,
        ),
        trades_closed=sum(result.trades_closed for result in strategies),
        wins=sum(result.wins for result in strategies),
        losses=sum(result.losses for result in strategies),
        gross=day[0],
        fees=day[1],
        tax=day[2],
        net=day[3],
        unrealized=day[4],
        opening_equity=day[5],
        equity=day[6],
        strategies=strategies,
        set_aside=await _number(
            connection, "SELECT count(*) FROM set_aside WHERE account = %s", account
        ),
        conditions_open=await _number(
            connection, "SELECT count(*) FROM conditions WHERE account = %s AND active", account
        ),
        position=await _number(
            connection, "SELECT last_sequence FROM checkpoint WHERE account = %s", account
        ),
    )


async def _strategies(
    connection: Connection, account: AccountId, trading_date: TradingDate
) -> tuple[StrategyResult, ...]:
    async with connection.cursor(row_factory=class_row(StrategyResult)) as cursor:
        await cursor.execute(
            "SELECT s.strategy, s.intents, s.approved, s.rejected, s.deferred, s.orders, s.fills,"
            " s.trades_closed, s.wins, s.losses, s.realized_gross AS gross, s.fees, s.tax,"
            " s.realized_net AS net, s.unrealized,"
            " (SELECT sum(t.realized_r)::FLOAT8 FROM trades t"
            "   WHERE t.account = s.account AND t.strategy = s.strategy AND t.status = 'closed'"
            "   AND to_char(t.closed_time AT TIME ZONE 'Asia/Seoul', 'YYYYMMDD') = s.trading_date"
            " ) AS realized_r"
            " FROM risk_daily_strategy s"
            " WHERE s.account = %s AND s.trading_date = %s ORDER BY s.strategy",
            (account, trading_date),
        )
        return tuple(await cursor.fetchall())


async def _one(connection: Connection, query: str, *parameters: str) -> tuple[int, ...] | None:
    # Every query is a constant of this module.
    cursor = await connection.execute(query.encode(), parameters)
    return await cursor.fetchone()


async def _number(connection: Connection, query: str, *parameters: str) -> int:
    found = await _one(connection, query, *parameters)
    return 0 if found is None else int(found[0])


async def _counts(connection: Connection, query: str, *parameters: str) -> dict[str, int]:
    cursor = await connection.execute(query.encode(), parameters)
    return {str(name): int(count) for name, count in await cursor.fetchall()}
