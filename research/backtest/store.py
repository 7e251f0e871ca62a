"""Results kept for questions: a folder of Parquet files, one subfolder a run, asked by SQL.

    <folder>/run_id=<id>/{runs,sessions,decisions,orders,fills,trades,equity,strategies}.parquet

What always holds: a run is there whole or not at all (it is renamed into place), and is never
changed afterwards, so any number of processes may save and read at once. The id says what was run:
its name and a digest of settings, code version and data. Saving the same run twice is one run;
other results under the same id raise ``NotRepeatable``. polars and duckdb read the files directly.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec

from research.backtest.errors import NotRepeatable, QueryRefused, UnknownRun
from research.backtest.performance import performance
from research.backtest.results import (
    BacktestResult,
    DecisionRow,
    EquityRow,
    FillRow,
    OrderRow,
    Provenance,
    SessionRow,
    StrategyEquityRow,
    TradeRow,
)

if TYPE_CHECKING:
    import polars as pl

_ROWS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "sessions": SessionRow,
    "decisions": DecisionRow,
    "orders": OrderRow,
    "fills": FillRow,
    "trades": TradeRow,
    "equity": EquityRow,
    "strategies": StrategyEquityRow,
}


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run: what made it, when it was saved (ns UTC) and what it came to.

    The last figures are fractions and ratios of ``performance``, ``None`` where there is none.
    """

    name: str
    settings: str
    settings_hash: str
    code_version: str
    data_hash: str
    result_hash: str
    path: str
    saved_at: int
    wall_seconds: float
    opening_cash: int
    closing_equity: int
    sessions: int
    market_events: int
    trades: int | None
    total_return: float | None
    annual_return: float | None
    volatility: float | None
    sharpe: float | None
    drawdown: float | None
    profit_factor: float | None
    costs: int | None


TABLES: Final = ("runs", *_ROWS)
"""Tables of the store. Each has the column ``run_id`` besides those of its row type."""


def run_id(provenance: Provenance) -> str:
    """Return the id of a run: its name, and what its result should depend on, as a digest."""
    parts = (provenance.settings_hash, provenance.code_version, provenance.data_hash)
    digest = blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()
    name = re.sub(r"[^a-z0-9]+", "-", provenance.name.lower()).strip("-")
    return f"{name or 'run'}-{digest}"


class ResultStore:
    """Saves, lists, loads and queries results in a folder, which is made when first saved to."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def save(self, result: BacktestResult) -> str:
        """Keep a result and return its run id; a run that is there already is left as it is.

        Raises:
            NotRepeatable: the run is there with another result hash.
        """
        name = run_id(result.provenance)
        target = self._folder(name)
        if not target.exists():
            # Not called run_id=…: readers see nothing of it, also when this process dies.
            building = self.path / f".{name}-{os.getpid()}-{uuid4().hex}"
            building.mkdir(parents=True)
            try:
                _write(building, result)
                _into_place(building, target)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        stored = self._provenance(name).result_hash
        if stored != result.provenance.result_hash:
            raise NotRepeatable(name, stored, result.provenance.result_hash)
        return name

    def runs(self) -> pl.DataFrame:
        """Return the table ``runs``, newest first."""
        return self.query("SELECT * FROM runs ORDER BY saved_at DESC, run_id")

    def load(self, name: str) -> BacktestResult:
        """Return a stored result, equal to what was saved.

        Raises:
            UnknownRun: there is none of that id.
        """
        provenance = self._provenance(name)
        (run,) = self._table(name, "runs")
        tables = {
            table: msgspec.convert(self._table(name, table), tuple[kind, ...])  # type: ignore[valid-type]
            for table, kind in _ROWS.items()
        }
        return BacktestResult(
            provenance=provenance,
            opening_cash=run["opening_cash"],
            wall_seconds=run["wall_seconds"],
            **tables,
        )

    def query(self, sql: str) -> pl.DataFrame:
        """Return what SQL (the dialect of duckdb) selects from the tables in ``TABLES``.

        Raises:
            QueryRefused: the SQL is wrong.
        """
        import duckdb
        import polars as pl

        with duckdb.connect() as connection:
            for table in TABLES:
                connection.execute(self._view(table))
            try:
                answer = connection.sql(sql)
                if answer is None:
                    raise QueryRefused(sql, "the statement selects nothing", TABLES)
                # Rows, not Arrow: duckdb's Arrow stream leaves complaints on stderr at exit.
                rows, names, kinds = answer.fetchall(), answer.columns, answer.types
            except duckdb.Error as error:
                raise QueryRefused(sql, str(error), TABLES) from None
        types = {"BIGINT": pl.Int64, "HUGEINT": pl.Int64, "VARCHAR": pl.String}
        types |= {"DOUBLE": pl.Float64, "BOOLEAN": pl.Boolean}
        return pl.DataFrame(
            rows,
            schema=[(name, types.get(str(kind))) for name, kind in zip(names, kinds, strict=True)],
            orient="row",
            infer_schema_length=None,
        )

    def _folder(self, name: str) -> Path:
        return self.path / f"run_id={name}"

    def _provenance(self, name: str) -> Provenance:
        (run,) = self._table(name, "runs")
        return Provenance(**{field: run[field] for field in Provenance.__struct_fields__})

    def _table(self, name: str, table: str) -> list[dict[str, Any]]:
        import polars as pl

        file = self._folder(name) / f"{table}.parquet"
        if not file.exists():
            raise UnknownRun(name, str(self.path))
        return pl.read_parquet(file, hive_partitioning=False).to_dicts()

    def _view(self, table: str) -> str:
        if any(self.path.glob("run_id=*")):
            files = str(self.path / "run_id=*" / f"{table}.parquet").replace("'", "''")
            source = (
                f"read_parquet('{files}', hive_partitioning=true, union_by_name=true, "
                "hive_types={'run_id': VARCHAR})"
            )
            return f"CREATE VIEW {table} AS SELECT * FROM {source}"  # noqa: S608 - no outside text
        columns = ", ".join(f'"{name}" {kind}' for name, kind in _sql_columns(table))
        return f"CREATE TABLE {table} ({columns}, run_id VARCHAR)"


def _into_place(building: Path, target: Path) -> None:
    try:
        building.rename(target)
    except OSError:
        # Another process saved the same run meanwhile; anything else is an error.
        if not target.exists():
            raise


def _write(folder: Path, result: BacktestResult) -> None:
    _frame(RunRow, [_run_row(result)]).write_parquet(folder / "runs.parquet")
    for table, kind in _ROWS.items():
        _frame(kind, getattr(result, table)).write_parquet(folder / f"{table}.parquet")


def _run_row(result: BacktestResult) -> RunRow:
    figures = performance(result)
    returns = None if figures is None else figures.returns
    return RunRow(
        **msgspec.structs.asdict(result.provenance),
        saved_at=time.time_ns(),
        wall_seconds=result.wall_seconds,
        opening_cash=result.opening_cash,
        closing_equity=result.closing_equity,
        sessions=len(result.sessions),
        market_events=result.market_events,
        trades=None if figures is None else figures.trades.closed,
        total_return=None if returns is None else returns.total,
        annual_return=None if returns is None else returns.annual,
        volatility=None if returns is None else returns.volatility,
        sharpe=None if returns is None else returns.sharpe,
        drawdown=None if returns is None else returns.drawdown,
        profit_factor=None if figures is None else figures.trades.profit_factor,
        costs=None if figures is None else figures.costs.fees + figures.costs.tax,
    )


def _frame(kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct]) -> pl.DataFrame:
    import polars as pl

    types = {"int": pl.Int64, "float": pl.Float64, "bool": pl.Boolean, "str": pl.String}
    rows = list(rows)
    columns = {}
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        name = field.name
        values = [getattr(row, name) for row in rows]
        if _of(field.type) == "texts":
            columns[name] = pl.Series(name, [list(each) for each in values], pl.List(pl.String))
        else:
            plain = [each.value if isinstance(each, StrEnum) else each for each in values]
            columns[name] = pl.Series(name, plain, types[_of(field.type)])
    return pl.DataFrame(columns)


_KINDS: Final[Mapping[type, str]] = {
    msgspec.inspect.IntType: "int",
    msgspec.inspect.FloatType: "float",
    msgspec.inspect.BoolType: "bool",
    msgspec.inspect.StrType: "str",
    msgspec.inspect.EnumType: "str",
    msgspec.inspect.VarTupleType: "texts",
}
_SQL: Final[Mapping[str, str]] = {
    "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "str": "VARCHAR", "texts": "VARCHAR[]",
}  # fmt: skip


def _of(kind: msgspec.inspect.Type) -> str:
    """Return what a column holds; ``None`` is allowed in every column."""
    if isinstance(kind, msgspec.inspect.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType))
    return _KINDS[type(kind)]


def _sql_columns(table: str) -> Iterable[tuple[str, str]]:
    kind = RunRow if table == "runs" else _ROWS[table]
    for field in msgspec.inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        yield field.name, _SQL[_of(field.type)]
