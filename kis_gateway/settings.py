"""What the gateway must know to speak to KIS: hosts, account, keys, budget. Frozen, checked once.

What always holds: a ``KisSettings`` that exists is complete and free of contradictions; an account
with real money is reachable only through two keys that agree; no secret has a printable form.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

import msgspec

from kis_gateway.errors import SettingsError

_SECOND: Final = 1_000_000_000


class Environment(StrEnum):
    """Which of the broker's two separate worlds; a key belongs to exactly one."""

    PAPER = "paper"
    REAL = "real"


class Secret:
    """A text that never prints. ``reveal`` is called only where the text goes on the wire.

    Every one made is known to ``redaction``, which keeps it out of the logs of the process should
    it get into a message on its way.
    """

    __slots__ = ("_text",)

    known: ClassVar[set[str]] = set()
    """Texts of all secrets that this process has had."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.known.add(text)

    def reveal(self) -> str:
        """Return the text."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The call budget of one app key.

    ``calls_per_second`` covers every REST call, ``ledger_calls_per_second`` in addition the calls
    that read the account's ledger (balance, orders of the day). ``order_share`` is the part of the
    calls that is kept free for orders and cancels; it counts in whole calls, so below three calls a
    second there is none. ``order_interval_seconds`` is kept between two order calls besides, 0 for
    none. ``recovery_seconds`` without a refusal undo one step of slowing down.
    """

    calls_per_second: float
    ledger_calls_per_second: float = 0.9
    order_share: float = 0.4
    order_interval_seconds: float = 0.0
    recovery_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("calls_per_second", "ledger_calls_per_second", "recovery_seconds"):
            value = getattr(self, name)
            if not 0 < value < 1_000:
                raise SettingsError(f"{name} is {value}: it must be above 0 and below 1000")
        if not 0 <= self.order_share < 1:
            raise SettingsError(
                f"order_share is {self.order_share}: it must be at least 0 and below 1, because "
                "data need a part of the calls as well"
            )
        if not 0 <= self.order_interval_seconds <= 60:
            raise SettingsError(
                f"order_interval_seconds is {self.order_interval_seconds}: it must be 0 to 60"
            )

    @property
    def places(self) -> int:
        """Return how many calls may be counted at once: those of a second, at least one."""
        return math.ceil(self.calls_per_second)

    @property
    def period(self) -> int:
        """Return for how long a call counts (ns): a second, longer where calls are rarer."""
        return math.ceil(self.places * _SECOND / self.calls_per_second)

    @property
    def data_places(self) -> int:
        """Return how many of the places data may use; the rest is the reserve for orders."""
        return self.places - math.floor(self.places * self.order_share)


DEFAULT_LIMITS: Final = {
    # Measured by clients of the service: on paper 1.0/s is clean and 2.0/s is refused; on the real
    # host 15-18/s still draws 3 % refusals although 18/s is the published limit, 10/s draws none.
    # Paper throttled cancels 1.1 s apart.
    Environment.PAPER: Limits(calls_per_second=0.9, order_interval_seconds=1.3),
    Environment.REAL: Limits(calls_per_second=10.0),
}

REST_URLS: Final = {
    Environment.PAPER: "https://openapivts.koreainvestment.com:29443",
    Environment.REAL: "https://openapi.koreainvestment.com:9443",
}

WEBSOCKET_URLS: Final = {
    # Plain ws by the broker's choice: it offers no TLS here.
    Environment.PAPER: "ws://ops.koreainvestment.com:31000/tryitout",
    Environment.REAL: "ws://ops.koreainvestment.com:21000/tryitout",
}

APP_KEY_VARIABLE: Final = "KST_KIS_APP_KEY"
APP_SECRET_VARIABLE: Final = "KST_KIS_APP_SECRET"  # noqa: S105 - the variable's name, no secret
ACCOUNT_VARIABLE: Final = "KST_KIS_ACCOUNT"
HTS_ID_VARIABLE: Final = "KST_KIS_HTS_ID"

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class KisSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the KIS client needs. Raises ``SettingsError`` when made from contradictions.

    ``account`` is ten digits, account number and product code; ``hts_id`` the login under which
    fill notices are sent. ``token_folder`` holds the shared token cache. Empty URLs and missing
    limits mean the broker's own for the environment. ``old_tr_ids`` sends the TR ids of before
    2025-03-04, which KIS has announced to close.
    """

    app_key: Secret
    app_secret: Secret
    account: Secret
    hts_id: Secret
    token_folder: Path
    environment: Environment = Environment.PAPER
    real_account_enabled: bool = False
    rest_url: str = ""
    websocket_url: str = ""
    limits: Limits | None = None
    old_tr_ids: bool = False

    def __post_init__(self) -> None:
        _check_environment(self.environment, real_account_enabled=self.real_account_enabled)
        for name in ("app_key", "app_secret", "account", "hts_id"):
            if not getattr(self, name):
                raise SettingsError(f"{name} is empty: set the variable KST_KIS_{name.upper()}")
        number = self.account.reveal()
        if len(number) != 10 or not (number.isascii() and number.isdecimal()):
            raise SettingsError(
                f"account has {len(number)} characters: give the 8 digits of the account and the "
                "2 digits of its product, for example 1234567801"
            )
        _check_url(
            "rest_url",
            self.rest,
            ("https", "http"),
            official=REST_URLS,
            environment=self.environment,
        )
        _check_url(
            "websocket_url",
            self.websocket,
            ("ws", "wss"),
            official=WEBSOCKET_URLS,
            environment=self.environment,
        )

    @property
    def rest(self) -> str:
        """Return the REST base URL in force, without a final slash."""
        return (self.rest_url or REST_URLS[self.environment]).rstrip("/")

    @property
    def websocket(self) -> str:
        """Return the WebSocket URL in force."""
        return self.websocket_url or WEBSOCKET_URLS[self.environment]

    @property
    def budget(self) -> Limits:
        """Return the call budget in force."""
        return self.limits or DEFAULT_LIMITS[self.environment]

    @property
    def account_number(self) -> str:
        """Return the eight digits of the account (``CANO``)."""
        return self.account.reveal()[:8]

    @property
    def account_product(self) -> str:
        """Return the two digits of the product (``ACNT_PRDT_CD``)."""
        return self.account.reveal()[8:]

    @property
    def key_fingerprint(self) -> str:
        """Return what tells app keys apart without showing one: twelve hex digits of its hash."""
        return hashlib.sha256(self.app_key.reveal().encode()).hexdigest()[:12]

    @property
    def token_cache(self) -> Path:
        """Return the token file of this environment and app key; never shared between two keys."""
        return self.token_folder / f"token-{self.environment}-{self.key_fingerprint}.json"

    def printable(self) -> dict[str, str]:
        """Return the settings in force for a log or an event, secrets left out."""
        return {
            "environment": str(self.environment),
            "rest_url": self.rest,
            "websocket_url": self.websocket,
            "key_fingerprint": self.key_fingerprint,
            "calls_per_second": str(self.budget.calls_per_second),
            "ledger_calls_per_second": str(self.budget.ledger_calls_per_second),
            "order_share": str(self.budget.order_share),
            "order_interval_seconds": str(self.budget.order_interval_seconds),
        }


def from_environment(
    variables: Mapping[str, str],
    *,
    token_folder: Path,
    environment: Environment = Environment.PAPER,
    real_account_enabled: bool = False,
    rest_url: str = "",
    websocket_url: str = "",
    limits: Limits | None = None,
    old_tr_ids: bool = False,
) -> KisSettings:
    """Return settings whose secrets come from environment variables. A pure function of both.

    Reads ``KST_KIS_APP_KEY``, ``KST_KIS_APP_SECRET``, ``KST_KIS_ACCOUNT`` (``12345678-01`` or ten
    digits) and ``KST_KIS_HTS_ID``.

    Raises:
        SettingsError: a variable is missing or the settings contradict each other.
    """
    names = (APP_KEY_VARIABLE, APP_SECRET_VARIABLE, ACCOUNT_VARIABLE, HTS_ID_VARIABLE)
    missing = [name for name in names if not variables.get(name, "").strip()]
    if missing:
        raise SettingsError(f"{', '.join(missing)} not set: put the KIS credentials into it")
    return KisSettings(
        app_key=Secret(variables[APP_KEY_VARIABLE].strip()),
        app_secret=Secret(variables[APP_SECRET_VARIABLE].strip()),
        account=Secret(variables[ACCOUNT_VARIABLE].strip().replace("-", "")),
        hts_id=Secret(variables[HTS_ID_VARIABLE].strip()),
        token_folder=token_folder,
        environment=environment,
        real_account_enabled=real_account_enabled,
        rest_url=rest_url,
        websocket_url=websocket_url,
        limits=limits,
        old_tr_ids=old_tr_ids,
    )


def _check_environment(environment: Environment, *, real_account_enabled: bool) -> None:
    if environment is Environment.REAL and not real_account_enabled:
        raise SettingsError(
            "environment is real but real_account_enabled is not true: orders would move real "
            "money; set both, or environment: paper"
        )
    if environment is Environment.PAPER and real_account_enabled:
        raise SettingsError(
            "real_account_enabled is true but environment is paper: remove the one or change the "
            "other"
        )


def _check_url(
    name: str,
    url: str,
    schemes: tuple[str, ...],
    *,
    official: Mapping[Environment, str],
    environment: Environment,
) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise SettingsError(
            f"{name} is {url!r}: it must start with {schemes[0]}:// and name a host"
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingsError(f"{name} is {url!r}: credentials leave this machine only over https")
    for other, its_url in official.items():
        theirs = urlsplit(its_url)
        same_host = (parts.hostname, parts.port) == (theirs.hostname, theirs.port)
        if other is not environment and same_host:
            raise SettingsError(
                f"{name} is the host of the {other} environment but environment is {environment}: "
                "a key of one is half accepted by the other"
            )
