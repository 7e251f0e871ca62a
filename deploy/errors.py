"""What can go wrong when a run is set up or looked at, said so that a person can act on it.

DeployError               what is wrong, and what to do about it
├── InvalidDate           a date that cannot be read
├── UnknownChoice         an option's value that is none of those it takes
├── InvalidClock          a clock time that cannot be read
├── AccountsUnreadable    a file of simulated accounts that cannot be read
├── NoSession             the exchange is closed on the date, or the calendar does not reach it
├── BarsMissing           no folder of minute bars, or none for the date
├── PortInUse             another program listens on a port of the run
├── DirectoryError
│   ├── DirectoryVersion  written by another version of kst
│   ├── DirectoryInUse    another run holds it
│   ├── DirectoryNotEmpty a new run needs an empty directory
│   └── NoRun             there is no run in it
├── UnknownStrategy       no strategy of that name
├── ConfigurationError    a missing, unknown, mistyped or contradictory key of a file
├── CommandError          an operator's command that cannot be issued
│   ├── NotRunning        no run follows the log
│   ├── ReasonMissing     a command without a reason
│   ├── HaltTargetMissing a halt of a strategy or symbol that names none
│   ├── HaltTargetUnused  a halt of the account that names a strategy or symbol
│   ├── NoSuchHalt        nothing of the kind is in force
│   ├── NothingNamed      a cancel that names nothing
│   ├── NothingToAdopt    no unexplained or missing shares
│   ├── UnknownOwner      shares for a strategy that does not run here
│   ├── OwnerNeeded       several owners may miss the shares, or a stop without a strategy
│   ├── SymbolNeeded      an adoption that names no symbol
│   ├── TooFewShares      more than there are
│   ├── StopNeeded        shares for a strategy without a stop
│   ├── StopMisplaced     a stop that would sell at once
│   ├── StopLowered       a stop below the one that holds
│   ├── ChangeUnreadable  a change of limits that is no KEY=VALUE
│   ├── LimitsNotTaken    the gate refused a change of limits
│   ├── SessionNotOpen    there are no opening books yet
│   └── PresenceTooSlow   signs of life further apart than the time-out allows
├── NoLiveFeed            the broker's live feed does not acknowledge a subscription
├── CrashLoop             a service ended again and again
├── ServiceFailed         a service ended in a way that a restart cannot mend
└── NotReady              a service did not become ready in time

Every error carries ``what`` and ``remedy``; ``str()`` joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class DeployError(Exception):
    """Base of the room's errors. ``what`` is wrong and the ``remedy`` that a person can apply."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what
        self.remedy = remedy


class InvalidDate(DeployError):
    """A date argument that is no date."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is not a date", "Write it as YYYY-MM-DD or YYYYMMDD, for example 2025-09-15."
        )
        self.text = text


class UnknownChoice(DeployError):
    """An option takes some words only, and this is none of them."""

    def __init__(self, option: str, text: str, known: Sequence[str]) -> None:
        super().__init__(f"{option} {text} is unknown", f"Choose one of {', '.join(known)}.")
        self.option = option
        self.text = text


class InvalidClock(DeployError):
    """A time argument that is no clock time."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not a clock time", "Write it as HH:MM, for example 08:50.")
        self.text = text


class AccountsUnreadable(DeployError):
    """A file of simulated accounts that cannot be used; values are never part of the message."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is no file of accounts: {reason}",
            "It is a YAML list of accounts, each with any of account, app_key, app_secret, hts_id, "
            "cash and holdings; what is left out is made up. Without --accounts all is made up.",
        )
        self.path = path


class NoSession(DeployError):
    """The exchange does not trade on the date."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "Choose a KRX trading day, for example --date 2025-09-15.")


class BarsMissing(DeployError):
    """The recorded minute bars that were asked for are not there."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"no minute bars at {folder}: {reason}",
            "Point --bars at a folder that holds krx_minute/YYYY-MM.parquet and "
            "krx_daily/ohlcv.parquet, or leave --bars out for a synthetic market.",
        )
        self.folder = folder


class PortInUse(DeployError):
    """Another program already listens where a service of this run should."""

    def __init__(self, service: str, port: int) -> None:
        super().__init__(
            f"port {port}, which {service} of this run uses, is taken by another program",
            "Stop that program (`ss -ltnp` names it) or start a new run in another directory.",
        )
        self.service = service
        self.port = port


class PortGivenTwice(DeployError):
    """Two services of one run were given the same port."""

    def __init__(self, service: str, port: int) -> None:
        super().__init__(
            f"port {port} was given to {service} and to another service of this run",
            "Give every service a port of its own, or 0 for a free one.",
        )
        self.service = service
        self.port = port


class DirectoryError(DeployError):
    """A data directory cannot be used."""


class DirectoryVersion(DirectoryError):
    """The directory has the layout of another version of kst."""

    def __init__(self, path: Path, found: object, expected: int) -> None:
        super().__init__(
            f"{path} has data directory layout {found}, this version of kst uses {expected}",
            "Use the version of kst that wrote it, or start a run in a new directory.",
        )
        self.path = path
        self.found = found


class DirectoryInUse(DirectoryError):
    """Another run holds the directory's lock."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another kst process" if pid is None else f"kst process {pid}"
        super().__init__(
            f"{path} is in use by {holder}",
            "Wait for that run to end, stop it, or choose another --data-dir.",
        )
        self.path = path
        self.pid = pid


class DirectoryNotEmpty(DirectoryError):
    """A new run was to be made where files already are."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not empty", "Choose another --data-dir; nothing there was changed."
        )
        self.path = path


class NoRun(DirectoryError):
    """There is no run at the place that was named."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"no run at {path}: {reason}",
            "Start one with `kst demo`, or name its directory with --data-dir.",
        )
        self.path = path


class UnknownStrategy(DeployError):
    """No strategy of that name can be run."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no strategy {name!r}", f"Known strategies: {', '.join(known)}.")
        self.name = name


class ConfigurationError(DeployError):
    """A key of a configuration file is unknown, missing, of the wrong type or contradicts another.

    ``key`` is dotted, ``""`` when the file as a whole is meant. Values are never part of the
    message: a mistyped key may hold a secret.
    """

    def __init__(self, file: Path, key: str, problem: str, remedy: str) -> None:
        place = f"{file}, key {key}" if key else str(file)
        super().__init__(f"{place}: {problem}", remedy)
        self.file = file
        self.key = key


class CrashLoop(DeployError):
    """A service ended so often in a short time that starting it again is no use."""

    def __init__(self, service: str, restarts: int, seconds: float, log: Path) -> None:
        super().__init__(
            f"{service} ended {restarts} times within {seconds:.0f} s; the run was stopped",
            f"The last lines of {log} say why.",
        )
        self.service = service
        self.restarts = restarts


class ServiceFailed(DeployError):
    """A service ended for a reason that stays when it is started again."""

    def __init__(self, service: str, status: int, log: Path) -> None:
        super().__init__(
            f"{service} ended with exit status {status} and a restart would not help",
            f"The last lines of {log} say why.",
        )
        self.service = service
        self.status = status


class NotReady(DeployError):
    """Services did not become ready in time."""

    def __init__(self, services: Sequence[str], seconds: float, logs: Path) -> None:
        super().__init__(
            f"not ready within {seconds:.0f} s: {', '.join(services)}",
            f"The last lines of their files in {logs} say why.",
        )
        self.services = tuple(services)


class NoLiveFeed(DeployError):
    """The WebSocket cannot be reached, or another session holds the app key."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(
            f"no subscription was acknowledged within {seconds:.0f} s by {url or 'the live feed'}",
            "Check that no other program uses this app key (KIS allows one session) and that the "
            "port of the WebSocket is reachable.",
        )


class CommandError(DeployError):
    """An operator's command that cannot be issued; nothing was appended unless it says so."""


class NotRunning(CommandError):
    """Nothing would follow a command."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"no run is going in {path}", "Commands are for a running day; see kst status."
        )


class ReasonMissing(CommandError):
    """Every command is read again one day."""

    def __init__(self) -> None:
        super().__init__("no reason is given", 'Say why: --reason "…".')


class HaltTargetMissing(CommandError):
    """A halt of one strategy or symbol has to name it."""

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"a halt of scope {scope} names no {scope}",
            f'For example: kst halt --scope {scope} --target NAME --reason "…".',
        )


class HaltTargetUnused(CommandError):
    """A halt of everything does not name one thing: perhaps another halt was meant."""

    def __init__(self, scope: str, target: str) -> None:
        super().__init__(
            f"scope {scope} concerns everything, and --target {target} names one thing",
            "Say --scope strategy or --scope symbol, or leave --target out.",
        )


class NoSuchHalt(CommandError):
    """There is nothing to release."""

    def __init__(self, wanted: str, in_force: Sequence[str]) -> None:
        listed = "; ".join(in_force) or "none"
        super().__init__(f"no halt of {wanted} is in force", f"In force: {listed}.")


class NothingNamed(CommandError):
    """A cancel of everything is asked for in so many words."""

    def __init__(self) -> None:
        super().__init__(
            "nothing is named to be withdrawn",
            "Name an order id, --symbol or --strategy, or say --all.",
        )


class NothingToAdopt(CommandError):
    """Broker and books agree in a symbol."""

    def __init__(self, symbol: str, others: Sequence[str]) -> None:
        listed = ", ".join(others) or "none"
        super().__init__(
            f"{symbol} has neither unexplained nor missing shares",
            f"Symbols that have: {listed}. kst adopt lists them.",
        )


class TooFewShares(CommandError):
    """More shares are to change owner than there are."""

    def __init__(self, symbol: str, asked: int, there: int, what: str) -> None:
        super().__init__(
            f"{asked:,} shares of {symbol} are asked for and {there:,} {what}",
            f"Ask for 1 to {there:,}." if there else "Name another owner.",
        )


class UnknownOwner(CommandError):
    """Shares would belong to somebody who does not run here."""

    def __init__(self, owner: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{owner} is no strategy of this run",
            f"Choose one of {', '.join(known)}." if known else "Only external owns shares here.",
        )


class OwnerNeeded(CommandError):
    """Whose shares are meant cannot be guessed."""

    def __init__(self, symbol: str, why: str) -> None:
        super().__init__(f"whose the shares of {symbol} are is not said: {why}", "Say --owner.")


class SymbolNeeded(CommandError):
    """Something is to be adopted, and not said what."""

    def __init__(self) -> None:
        super().__init__(
            "no symbol is named to be adopted",
            "Name it: kst adopt SYMBOL …. Without any option kst adopt lists what there is.",
        )


class StopNeeded(CommandError):
    """What a strategy owns is protected from the first moment on."""

    def __init__(self, symbol: str) -> None:
        super().__init__(
            f"{symbol} is to belong to a strategy and no stop is given",
            "Say at which price it is to be sold: --stop WON. Or --owner external.",
        )


class StopMisplaced(CommandError):
    """The stop would sell at once, or never."""

    def __init__(self, symbol: str, stop: int, price: int) -> None:
        super().__init__(
            f"a stop at {stop:,} won does not lie below the last price of {symbol}, {price:,} won",
            "Choose a lower one.",
        )


class StopLowered(CommandError):
    """All shares of a strategy in a symbol have one stop: adopting must not weaken it."""

    def __init__(self, owner: str, symbol: str, stop: int, present: int) -> None:
        super().__init__(
            f"a stop at {stop:,} won would lower that of the shares of {symbol} that {owner} has, "
            f"{present:,} won",
            f"Give {present:,} or more, or leave --stop out: then the present one holds for all.",
        )


class ChangeUnreadable(CommandError):
    """A change of limits names a key and a value."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is no change of a limit, or its key is named twice",
            "Write each change once, as KEY=VALUE: risk.max_position_pct=0.10.",
        )


class LimitsNotTaken(CommandError):
    """The change stands on the log and the gate has refused it; the limits are as before."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the risk gate refused the change: {reason}", "The limits are as before.")


class SessionNotOpen(CommandError):
    """The limits in force are those of a session."""

    def __init__(self) -> None:
        super().__init__("no session is open on this log", "Wait for the gateway to open the day.")


class PresenceTooSlow(CommandError):
    """One sign of life may get lost without a halt."""

    def __init__(self, every_s: float, timeout_s: int) -> None:
        super().__init__(
            f"a sign of life every {every_s:g} s is too slow for a time-out of {timeout_s} s",
            "Two must fit into the time-out: make --every smaller or --timeout larger.",
        )
