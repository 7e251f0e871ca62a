"""How a simulator is set up: which environment it imitates, who may log in, what they own.

All figures that KIS does not publish, or changes, are settings; the defaults are what was measured
or announced by November 2026. Secrets never appear in a ``repr``.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from events import Symbol
from events.costs import DEFAULT_FEE_PER_MILLION
from kis_gateway.errors import SettingsError
from kis_gateway.protocol import Era
from kis_gateway.simulator.exchange.messages import Refusal

__all__ = [
    "Credentials",
    "Environment",
    "Era",
    "OpeningBook",
    "OpeningHolding",
    "SimulatorSettings",
]


class Environment(StrEnum):
    """Which KIS service is imitated."""

    PAPER = "paper"
    REAL = "real"


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One app key and the account it belongs to.

    KIS issues keys of 36 and secrets of 180 characters. ``account`` is the account number (8
    digits) followed by the product code (2). ``hts_id`` is the key of the notice feed.
    """

    app_key: str
    app_secret: str
    account: str
    hts_id: str

    def __post_init__(self) -> None:
        """Refuse an account that is not ten digits and empty keys."""
        if len(self.account) != 10 or not self.account.isdecimal():
            raise SettingsError(f"account {self.account!r}: expected 8 + 2 digits")
        if not (self.app_key and self.app_secret and self.hts_id):
            raise SettingsError(f"account {self.account}: app_key, app_secret, hts_id are required")

    def __repr__(self) -> str:
        return f"Credentials(account={self.account!r}, hts_id={self.hts_id!r}, app_key=***)"


class OpeningHolding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Shares held before the session; ``cost`` is their total cost in won."""

    symbol: Symbol
    quantity: int
    cost: int


class OpeningBook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account owns before the session; ``cash`` in won."""

    account: str
    cash: int
    holdings: tuple[OpeningHolding, ...] = ()


class SimulatorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a simulator needs besides a market and a clock.

    Seconds are seconds of the run's clock. A port of 0 takes a free one. ``calls_per_second`` of
    ``None`` means the environment's own limit (1 paper, 18 real); a limit of 0 switches it off.
    ``visible_after`` bounds the delay after which inquiries show an order, a fill or a cancel.
    ``cancel_effect_seconds`` bounds the time between the answer to a cancel or amend and its effect
    at the exchange. ``sell_fee_per_million`` is the fee of sells if it differs.
    ``automatic_interruptions`` lets the market's own prices trigger volatility interruptions.
    ``late_refusals`` are answered as accepted and refused later by a notice, as the exchange does.
    ``real_only_quotations`` makes the paper service answer index and program trading calls, which
    KIS serves on the real host only; ``real_only_feeds`` does the same for the real-time feeds
    beside trades, books and notices. ``slow_client_seconds`` is how long a client may leave its
    socket full before it is dropped.
    ``order_interval_seconds`` is the least time between two order calls of an app key, 0 for none;
    the paper service has been measured to refuse orders 1.1 s apart. ``refusal_permille`` of all
    calls are refused as too fast for no reason. ``paper_app_keys`` are keys of the paper service:
    on the real one they get tokens and quotations and are refused with EGW02004 for everything
    else. ``check_key_lengths`` refuses app keys that are not 36 and secrets that are not 180
    characters long.
    """

    credentials: tuple[Credentials, ...]
    accounts: tuple[OpeningBook, ...]
    environment: Environment = Environment.PAPER
    era: Era = Era.C
    rest_port: int = 0
    ws_port: int = 0
    admin_port: int = 0
    admin: bool = False
    fee_per_million: int = DEFAULT_FEE_PER_MILLION
    calls_per_second: int | None = None
    ledger_calls_per_second: int = 1
    token_interval_seconds: float = 60.0
    visible_after: tuple[float, float] = (1.0, 5.0)
    late_refusals: tuple[Refusal, ...] = ()
    notices_overtake_replies: bool = False
    real_only_quotations: bool = False
    real_only_feeds: bool = False
    cancel_effect_seconds: tuple[float, float] = (0.0, 0.0)
    sell_fee_per_million: int | None = None
    automatic_interruptions: bool = False
    registrations: int = 41
    session_release_seconds: float = 5.0
    pingpong_seconds: float = 30.0
    slow_client_seconds: float = 30.0
    drain_commands: int = 200
    order_interval_seconds: float = 0.0
    refusal_permille: int = 0
    paper_app_keys: tuple[str, ...] = ()
    check_key_lengths: bool = False

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        books = {book.account for book in self.accounts}
        for held in self.credentials:
            if held.account not in books:
                raise SettingsError(
                    f"credentials name account {held.account}, accounts has no opening book for "
                    "it; add one (cash 0 is allowed)"
                )
        if len({held.app_key for held in self.credentials}) != len(self.credentials):
            raise SettingsError("two credentials share an app_key; every account has its own")
        if len({held.account for held in self.credentials}) != len(self.credentials):
            raise SettingsError("two credentials share an account; every account has one app_key")
        low, high = self.visible_after
        if not 0 <= low <= high:
            raise SettingsError(f"visible_after {self.visible_after}: expected 0 <= low <= high")
        soonest, latest = self.cancel_effect_seconds
        if not 0 <= soonest <= latest:
            raise SettingsError(
                f"cancel_effect_seconds {self.cancel_effect_seconds}: expected 0 <= low <= high"
            )
        if self.order_interval_seconds < 0:
            raise SettingsError(
                f"order_interval_seconds {self.order_interval_seconds}: expected 0 or more"
            )
        if not 0 <= self.refusal_permille <= 1_000:
            raise SettingsError(f"refusal_permille {self.refusal_permille}: expected 0 to 1000")
        if self.drain_commands < 1:
            raise SettingsError(f"drain_commands {self.drain_commands}: expected at least 1")

    @property
    def paper(self) -> bool:
        """Whether the paper service is imitated."""
        return self.environment is Environment.PAPER

    @property
    def call_limit(self) -> int:
        """REST calls per second and app key; 0 for no limit."""
        if self.calls_per_second is not None:
            return self.calls_per_second
        return 1 if self.paper else 18

    @property
    def notice_feed(self) -> str:
        """TR id of the own-order notices."""
        return "H0STCNI9" if self.paper else "H0STCNI0"
