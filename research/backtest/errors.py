"""What can go wrong with a backtest.

BacktestError
├── BooksDisagree      fills, corporate actions and opening books do not add up
├── ClusterUnreachable the Ray cluster cannot be joined
├── InvalidSettings    the request cannot be carried out as it stands
├── NoMarketData       the recording has nothing of a date or symbol
├── NotRepeatable      two runs of equal provenance came to different results
├── QueryRefused       the store cannot answer a query
├── UnknownRun         the store has no run of that id
└── UnknownStrategy    there is no strategy of that name
"""

from __future__ import annotations

from collections.abc import Sequence


class BacktestError(Exception):
    """Anything that ends a backtest before its result; says what to do about it."""


class BooksDisagree(BacktestError):
    """Fills, corporate actions and opening books contradict each other: the engine is at fault."""

    def __init__(self, strategy: str, symbol: str, problem: str) -> None:
        super().__init__(f"the books of {strategy} in {symbol} do not add up: {problem}")
        self.strategy = strategy
        self.symbol = symbol
        self.problem = problem


class ClusterUnreachable(BacktestError):
    """The Ray cluster at an address cannot be joined."""

    def __init__(self, address: str, problem: str) -> None:
        super().__init__(
            f"the Ray cluster at {address!r} cannot be joined: {problem}\n"
            "Give the address of a running head (auto: this host's), and the same token on every "
            "host (~/.ray/auth_token); `local` starts a cluster here"
        )
        self.address = address


class InvalidSettings(BacktestError):
    """The settings cannot be used; ``origin`` is the file or object that they come from."""

    def __init__(self, origin: str, problem: str) -> None:
        super().__init__(f"{origin}: {problem}")
        self.origin = origin
        self.problem = problem


class NoMarketData(BacktestError):
    """A recording lacks what was asked for."""

    def __init__(self, wanted: str, remedy: str) -> None:
        super().__init__(f"there is no {wanted}: {remedy}")
        self.wanted = wanted


class NotRepeatable(BacktestError):
    """The same settings, code and data gave another result than the stored run: that is a fault."""

    def __init__(self, run_id: str, stored: str, found: str) -> None:
        super().__init__(
            f"NOT REPEATABLE: run {run_id} was stored with result hash {stored}, "
            f"the same settings, code and data now gave {found}; "
            "look for what depends on time, order or chance"
        )
        self.run_id = run_id
        self.stored = stored
        self.found = found


class QueryRefused(BacktestError):
    """A query of the result store is wrong."""

    def __init__(self, query: str, problem: str, tables: Sequence[str]) -> None:
        super().__init__(f"{problem}\nTables: {', '.join(tables)}. Query: {query}")
        self.query = query
        self.problem = problem


class UnknownRun(BacktestError):
    """The store has no run of that id."""

    def __init__(self, run_id: str, folder: str) -> None:
        super().__init__(f"{folder} has no run {run_id!r}: list them with `kst runs`")
        self.run_id = run_id


class UnknownStrategy(BacktestError):
    """No strategy of that name can be run."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no strategy is called {name!r}; there are {', '.join(known)}")
        self.name = name
