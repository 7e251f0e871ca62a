"""``kst runs``: the results that were kept, as a list or by SQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.backtesting.backtest import STORE
from deploy.backtesting.tables import rows_table
from deploy.terminal import console, print_json

if TYPE_CHECKING:
    import polars as pl

_ROWS: Final = 50
_LIST: Final = """
SELECT run_id AS run,
       strftime(make_timestamp(saved_at // 1000) + INTERVAL 9 HOUR, '%m-%d %H:%M') AS saved,
       sessions, total_return, sharpe, drawdown, trades
FROM runs ORDER BY saved_at DESC, run_id
"""


def runs_command(sql: str | None, store: Path | None, *, as_json: bool) -> int:
    """Show what SQL selects from the store, by default its runs, newest first."""
    from research.backtest.store import TABLES, ResultStore

    place = store or STORE
    answer = ResultStore(place).query(sql or _LIST)
    if as_json:
        print_json({"store": str(place), "columns": answer.columns, "rows": answer.rows()})
        return 0
    out = console()
    if answer.is_empty():
        out.print(f"nothing in {place}" if sql is None else "no rows", style="dim")
        return 0
    _show(answer)
    if sql is None:
        out.print(
            f'\nto ask for more: kst runs "SELECT …"; tables: {", ".join(TABLES)}', style="dim"
        )
    return 0


def _show(answer: pl.DataFrame) -> None:
    out = console()
    out.print(rows_table(answer.columns, answer.head(_ROWS).rows()))
    if answer.height > _ROWS:
        out.print(f"… and {answer.height - _ROWS} more rows; --json has all", style="dim")
