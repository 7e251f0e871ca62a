"""A whole backtest: session after session, each from the books that the one before it left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from time import perf_counter
from typing import Final

import msgspec

from bus import code_version
from events import Symbol, TradingDate
from events.calendar import trading_date
from events.control import EVERYTHING, Halt, HaltMode, HaltScope, HaltTrigger
from events.market import SessionOpened
from research.backtest.carry import Books, after_actions, opening_books
from research.backtest.deciders import configuration, deciders, plan_settings
from research.backtest.garbage import collected_between
from research.backtest.ledger import Ledger
from research.backtest.market_day import MarketDays
from research.backtest.result_hash import ResultHash
from research.backtest.results import BacktestResult, Provenance
from research.backtest.session import Observer, Records, SessionRun
from research.backtest.settings import BacktestSettings

OnProgress = Callable[[TradingDate, int, int], None]
"""Told the session that is over, how many are, and how many there are."""

_WARM_UP: Final = "warm-up: this session does not count"


def run(
    settings: BacktestSettings,
    days: MarketDays | None = None,
    *,
    on_progress: OnProgress = lambda date, done, total: None,
    observers: Sequence[Observer] = (),
) -> BacktestResult:
    """Run a backtest and return its result.

    ``days`` are the sessions to trade; by default those that ``settings.data`` names. Equal
    settings and days give an equal ``result_hash``, whatever ``settings.delivery`` is.

    Raises:
        BacktestError: the settings cannot be carried out, or the data are not there.
    """
    began = perf_counter()
    texts = configuration(settings)
    build, plans = deciders(settings), plan_settings(settings)
    if days is None:
        from research.datasets import days_from

        days = days_from(settings.data, settings.owners)
    version = code_version()
    books = Books(cash=settings.cash, equity=settings.cash)
    ledger, digest = Ledger(settings.cash, settings.owners), ResultHash()
    records = Records(ledger, digest, tuple(observers))
    dates = days.dates
    with collected_between() as collect:
        for ordinal, on in enumerate(dates):
            day = days.day(on, _held(books))
            warm_up = ordinal < settings.warm_up
            books, notes = after_actions(books, day.actions)
            for action in day.actions:
                ledger.adjust(action)
            opening = opening_books(books, day.session, texts, version)
            if warm_up:
                opening = _without_entries(opening)
            ledger.open_session(opening, warm_up=warm_up, problems=(*day.problems, *notes))
            session = SessionRun(
                settings, day, opening, build(opening), plans=plans, records=records
            )
            books = _without_warm_up(session.run())
            on_progress(trading_date(on), ordinal + 1, len(dates))
            del day, session  # or they would outlive the collection
            collect()
        text = msgspec.json.encode(settings, order="deterministic").decode()
        return ledger.result(
            Provenance(
                name=settings.name,
                settings=text,
                settings_hash=_settings_hash(settings, texts),
                code_version=version,
                data_hash=days.data_hash,
                result_hash=digest.hexdigest(),
                path=settings.delivery.value,
            ),
            wall_seconds=perf_counter() - began,
        )


def _held(books: Books) -> tuple[Symbol, ...]:
    """Return the symbols that a session must bring whatever else it trades: they are held."""
    return tuple(sorted({each.symbol for each in books.carried.allocations}))


def _without_entries(opening: SessionOpened) -> SessionOpened:
    """Return opening books under which the gate refuses every entry."""
    halt = Halt(
        scope=HaltScope.ACCOUNT,
        target=EVERYTHING,
        mode=HaltMode.NO_ENTRIES,
        trigger=HaltTrigger.OPERATOR,
        since=opening.at,
        issued_by="backtest",
        reason=_WARM_UP,
    )
    return msgspec.structs.replace(opening, halts=(*opening.halts, halt))


def _without_warm_up(books: Books) -> Books:
    halts = tuple(halt for halt in books.carried.halts if halt.reason != _WARM_UP)
    return msgspec.structs.replace(
        books, carried=msgspec.structs.replace(books.carried, halts=halts)
    )


def _settings_hash(settings: BacktestSettings, texts: dict[str, str]) -> str:
    """Return a digest of all that was asked for, but for how it is computed."""
    asked = msgspec.structs.replace(settings, delivery=type(settings.delivery).EVERY)
    return sha256(msgspec.json.encode((asked, texts), order="deterministic")).hexdigest()
