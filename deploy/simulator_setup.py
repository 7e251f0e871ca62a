"""Sets up ``kst simulator``: the market, the accounts and the clock that were asked for."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Sequence
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

from deploy.calendar_input import parse_day, session_of
from deploy.errors import AccountsUnreadable, BarsMissing, InvalidClock, UnknownChoice
from deploy.simulated_broker import MINUTES
from events.calendar import KST, TradingSession, instant, previous_session
from events.calendar import session as calendar_session
from events.errors import NotASession
from kis_gateway.protocol import era_on
from kis_gateway.simulator import (
    Credentials,
    Environment,
    Era,
    OpeningBook,
    OpeningHolding,
    Scenario,
    SimulatorSettings,
    load_scenario,
)
from kis_gateway.simulator.market import Market, MarketError, RecordedMarket, SyntheticMarket

_SECOND: Final = 1_000_000_000
_LEAD: Final = 10 * _SECOND
"""Without a start time the day begins this long before the open (ns): trades come at once."""

_CASH: Final = 100_000_000
_RECORDED_SYMBOLS: Final = 40
_GENERATED_SYMBOLS: Final = 20
_ALPHABET: Final = string.ascii_letters + string.digits
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


Choice = TypeVar("Choice", bound=StrEnum)


class SimulatorRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line. A port of 0 takes a free one."""

    environment: Environment = Environment.PAPER
    era: Era | None = None
    speed: float = 1.0
    bars: Path | None = None
    date: str | None = None
    symbols: int | None = None
    seed: int = 7
    trades_per_minute: int = 30
    rest_port: int = 0
    ws_port: int = 0
    admin_port: int | None = None
    accounts: Path | None = None
    generated_accounts: int = 1
    scenario: Path | None = None
    start_at: str | None = None
    loop: bool = False
    everything: bool = False


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account of an accounts file; keys that are left out are made up."""

    account: str = ""
    app_key: str = ""
    app_secret: str = ""
    hts_id: str = ""
    cash: int = _CASH
    holdings: tuple[OpeningHolding, ...] = ()


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """A simulator that can start: its first day and how every further day begins."""

    request: SimulatorRequest
    session: TradingSession
    start: int
    settings: SimulatorSettings
    scenario: Scenario | None


def chosen(kind: type[Choice], text: str, option: str) -> Choice:
    """Return the member that a text on the command line names.

    Raises:
        UnknownChoice: it names none.
    """
    try:
        return kind(text)
    except ValueError:
        raise UnknownChoice(option, text, [str(each) for each in kind]) from None


def set_up(request: SimulatorRequest, today: date) -> Setup:
    """Return what is to be run; ``today`` is the KST date for a request without one.

    Raises:
        DeployError: something about the request is wrong.
        SettingsError: accounts that contradict each other, or a scenario that cannot be read.
    """
    day = latest_session(today) if request.date is None else parse_day(request.date)
    session = session_of(day)
    entries = _entries(request)
    credentials = tuple(map(_credentials, entries))
    books = tuple(
        OpeningBook(account=held.account, cash=entry.cash, holdings=entry.holdings)
        for entry, held in zip(entries, credentials, strict=True)
    )
    settings = SimulatorSettings(
        credentials=credentials,
        accounts=books,
        environment=request.environment,
        era=request.era or era_on(day),
        rest_port=request.rest_port,
        ws_port=request.ws_port,
        admin=request.admin_port is not None,
        admin_port=request.admin_port or 0,
        real_only_quotations=request.everything,
        real_only_feeds=request.everything,
    )
    return Setup(
        request=request,
        session=session,
        start=start_of(session, request.start_at),
        settings=settings,
        scenario=None if request.scenario is None else load_scenario(request.scenario),
    )


def latest_session(today: date) -> date:
    """Return today when the exchange trades, otherwise the session before."""
    try:
        return calendar_session(today).day
    except NotASession:
        return previous_session(today)


def start_of(session: TradingSession, start_at: str | None) -> int:
    """Return when a day begins, ns UTC.

    Raises:
        InvalidClock: the start time is no clock time.
    """
    if start_at is None:
        return session.open_at - _LEAD
    found = _CLOCK.fullmatch(start_at.strip())
    if found is None:
        raise InvalidClock(start_at)
    hour, minute, second = (int(part or 0) for part in found.groups())
    return instant(session.day, time(hour, minute, second))


def market_of(request: SimulatorRequest, day: date, ordinal: int = 0) -> Market:
    """Return the market of a day; ``ordinal`` counts the days of a run and varies the seed.

    Raises:
        BarsMissing: there are no usable bars of the date.
    """
    if request.bars is None:
        return SyntheticMarket(
            day,
            symbols=request.symbols or _GENERATED_SYMBOLS,
            seed=request.seed + ordinal,
            trades_per_bar=request.trades_per_minute,
        )
    minutes = request.bars / MINUTES
    try:
        return RecordedMarket(
            minutes if minutes.is_dir() else request.bars,
            day,
            request.symbols or _RECORDED_SYMBOLS,
            trades_per_bar=request.trades_per_minute,
        )
    except MarketError as error:
        raise BarsMissing(request.bars, str(error)) from error


def environment_file(settings: SimulatorSettings, rest_url: str, ws_url: str) -> str:
    """Return the accounts as lines of an environment file, the variables that kst reads."""
    from kis_gateway.settings import (
        ACCOUNT_VARIABLE,
        APP_KEY_VARIABLE,
        APP_SECRET_VARIABLE,
        HTS_ID_VARIABLE,
    )

    lines = [f"# REST {rest_url}   WebSocket {ws_url}   {settings.environment}"]
    for number, held in enumerate(settings.credentials):
        # Only one account can be in force in an environment file.
        mark = "# " if number else ""
        lines += [
            f"{mark}{APP_KEY_VARIABLE}={held.app_key}",
            f"{mark}{APP_SECRET_VARIABLE}={held.app_secret}",
            f"{mark}{ACCOUNT_VARIABLE}={held.account}",
            f"{mark}{HTS_ID_VARIABLE}={held.hts_id}",
        ]
    return "\n".join(lines)


def _entries(request: SimulatorRequest) -> Sequence[AccountEntry]:
    if request.accounts is None:
        return [AccountEntry() for _ in range(request.generated_accounts)]
    path = request.accounts
    try:
        # Plain text for every value: an account number must keep its leading zeros.
        raw: Any = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506 - only text
        entries = msgspec.convert(raw, list[AccountEntry], strict=False)
    except OSError as error:
        raise AccountsUnreadable(path, str(error.strerror)) from error
    except yaml.YAMLError:
        # Without the parser's text: it quotes the line, and the line may hold a secret.
        raise AccountsUnreadable(path, "it is no YAML") from None
    except msgspec.ValidationError as error:
        raise AccountsUnreadable(path, str(error)) from None
    if not entries:
        raise AccountsUnreadable(path, "it names no account")
    return entries


def _credentials(entry: AccountEntry) -> Credentials:
    return Credentials(
        app_key=entry.app_key or "PS" + _random(_ALPHABET, 34),
        app_secret=entry.app_secret or _random(_ALPHABET, 180),
        account=entry.account or _random(string.digits, 8) + "01",
        hts_id=entry.hts_id or _random(string.ascii_lowercase, 8),
    )


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def today_in_korea() -> date:
    """Return the KST date of this machine's clock."""
    return datetime.now(KST).date()
