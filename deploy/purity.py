"""Checks that deciders stay pure: no clock, I/O, randomness, environment, asyncio or logging.

Replay derives every decision again, byte for byte. That holds only while the code that decides sees
nothing but the events it is handed. This check reads the source (AST) of the pure rooms and refuses

- imports of modules that reach outside, and calls such as ``open`` or ``datetime.now``;
- ``hash`` and ``id`` (they differ between processes) and iteration over a set expression, whose
  order differs between processes too: wrap it in ``sorted``.

An exception stands on the line itself as ``# pure: <reason>``; a comment without reason is refused.
Run: ``python -m deploy.purity``.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

PURE: Final = (
    "events",
    "risk",
    "strategies",
    "kis_gateway/simulator/exchange",
    "kis_gateway/orders/order_state.py",
    "kis_gateway/orders/order_book.py",
    "kis_gateway/orders/allocations.py",
    "kis_gateway/day/stops_in_force.py",
    "kis_gateway/orders/order_inquiry.py",
    "kis_gateway/orders/planner.py",
    "kis_gateway/orders/plan_settings.py",
    "kis_gateway/orders/actions.py",
    "kis_gateway/orders/executions.py",
    "kis_gateway/orders/execution_records.py",
    "kis_gateway/orders/execution_book.py",
    "kis_gateway/orders/execution_clock.py",
    "kis_gateway/orders/next_order.py",
    "kis_gateway/orders/outstanding.py",
    "kis_gateway/orders/own_crossings.py",
    "kis_gateway/orders/withdrawals.py",
    "kis_gateway/orders/market_watch.py",
    "kis_gateway/orders/routing.py",
    "kis_gateway/orders/slicing.py",
    "kis_gateway/orders/turnover.py",
    "kis_gateway/orders/router_core.py",
    "kis_gateway/feeds/slot_book.py",
    "kis_gateway/feeds/staleness.py",
    "kis_gateway/day/sessions.py",
    "kis_gateway/feeds/feed_backoff.py",
    "kis_gateway/day/instruments.py",
    "kis_gateway/day/master_records.py",
    "kis_gateway/client/limiter_core.py",
    "kis_gateway/budget.py",
)
"""Folders and files that must be pure, relative to the repository."""

_MODULES: Final = frozenset(
    {
        "aiohttp", "asyncio", "concurrent", "ctypes", "exchange_calendars", "fcntl", "glob",
        "http", "httpx", "importlib", "io", "locale", "logging", "mmap", "multiprocessing", "nats",
        "numpy.random", "os", "pathlib", "pickle", "platform", "psutil", "psycopg", "random",
        "requests", "secrets", "select", "selectors", "shelve", "shutil", "signal", "socket",
        "sqlite3", "ssl", "structlog", "subprocess", "sys", "tempfile", "threading", "time",
        "urllib", "uuid", "uvloop", "websockets", "yaml",
    }
)  # fmt: skip
_BUILTINS: Final = frozenset(
    {"open", "print", "input", "eval", "exec", "compile", "__import__", "hash", "id", "breakpoint"}
)
_METHODS: Final = frozenset(
    {"now", "today", "utcnow", "urandom", "getenv", "time_ns", "perf_counter", "monotonic"}
)
_CLOCK_OWNERS: Final = frozenset({"datetime", "date", "time", "os", "pd", "np"})
_ORDERING: Final = frozenset({"sorted", "min", "max", "sum", "len", "any", "all", "set"})
_EXCEPTION: Final = re.compile(r"#\s*pure:\s*(?P<reason>.*)$")


class Finding(NamedTuple):
    """One impurity: where it is and what is wrong with it."""

    file: Path
    line: int
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


def check(root: Path, places: Iterable[str] = PURE) -> list[Finding]:
    """Return everything impure in ``places`` (relative to ``root``), in order of file and line."""
    findings: list[Finding] = []
    for place in places:
        path = root / place
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for file in files:
            if file.exists():
                findings += check_source(file.read_text(encoding="utf-8"), file.relative_to(root))
            else:
                findings.append(Finding(Path(place), 0, "is named as pure and does not exist"))
    return findings


def check_source(source: str, file: Path) -> list[Finding]:
    """Return everything impure in one source text; ``file`` is relative to the repository."""
    excused = _exceptions(source)
    found = [
        Finding(file, line, problem)
        for line, problem in _impurities(ast.parse(source))
        if line not in excused
    ]
    found += [
        Finding(file, line, "'# pure:' needs a reason after the colon")
        for line, reason in excused.items()
        if not reason
    ]
    return sorted(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the repository (or the one named) and return the exit status."""
    named = sys.argv[1:] if arguments is None else arguments
    root = Path(named[0]) if named else Path(__file__).resolve().parent.parent
    findings = check(root)
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"purity: {len(findings)} findings in {', '.join(PURE)}\n")
    return 1 if findings else 0


def _exceptions(source: str) -> dict[int, str]:
    """Return the reason of each ``# pure:`` comment by line."""
    reasons = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (match := _EXCEPTION.search(token.string)):
            reasons[token.start[0]] = match["reason"].strip()
    return reasons


def _impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    ordered = _order_insensitive(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _import(node.lineno, alias.name)
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    yield from _import(node.lineno, f"{module}.{alias.name}")
            case ast.Call(func=ast.Name(id=name)) if name in _BUILTINS:
                yield node.lineno, f"calls {name}()"
            case ast.Call(func=ast.Attribute(value=owner, attr=attribute)) if (
                attribute in _METHODS and _owner(owner) in _CLOCK_OWNERS
            ):
                yield node.lineno, f"calls {_owner(owner)}.{attribute}()"
            case ast.AsyncFunctionDef(name=name):
                yield node.lineno, f"{name} is async: a decider has nothing to wait for"
            case ast.For(iter=iterable) if _is_set(iterable):
                yield iterable.lineno, "iterates over a set: its order is not fixed, use sorted()"
            case ast.comprehension(iter=iterable) if _is_set(iterable) and id(node) not in ordered:
                yield iterable.lineno, "iterates over a set: its order is not fixed, use sorted()"
            case ast.Call(func=ast.Name(id="tuple" | "list"), args=[argument]) if _is_set(argument):
                yield node.lineno, "makes a sequence of a set: its order is not fixed, use sorted()"


def _import(line: int, module: str) -> Iterator[tuple[int, str]]:
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        if name in _MODULES:
            yield line, f"imports {name}"
            return


def _owner(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


def _is_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub(), right=right):
            return _is_set(left) or _is_set(right)
    return False


def _order_insensitive(tree: ast.Module) -> set[int]:
    """Return the generators whose consumer does not care for order, such as ``sorted(…)``."""
    found: set[int] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as argument, *_]) if (
                name in _ORDERING
            ):
                found.update(id(generator) for generator in argument.generators)
            case ast.SetComp(generators=generators):
                found.update(id(generator) for generator in generators)
    return found


if __name__ == "__main__":
    sys.exit(main())
