"""What the master files say of every listed security, as typed records. Pure.

The broker publishes them before each session. They are the only source that tells at once which
issues are stocks at all and which of them are halted, in liquidation, administrative or designated;
a universe is chosen by these flags, never by name or code. Units: won, shares.

Layouts: KIS Open API master files (``kis_gateway.protocol.master_form``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from events import Symbol
from events.market import InstrumentKind


class Listing(StrEnum):
    """The market an issue is listed on."""

    KOSPI = "KOSPI"
    KOSDAQ = "KOSDAQ"
    KONEX = "KONEX"


class SecurityGroup(StrEnum):
    """The exchange's class of a security; ``OTHER`` for codes that are not documented."""

    STOCK = "ST"
    FUND = "MF"
    REIT = "RT"
    SHIP_FUND = "SC"
    INFRASTRUCTURE_FUND = "IF"
    DEPOSITARY_RECEIPT = "DR"
    ELW = "EW"
    ETF = "EF"
    ETN = "EN"
    WARRANT = "SW"
    RIGHT = "SR"
    BENEFICIARY_CERTIFICATE = "BC"
    FOREIGN_ETF = "FE"
    FOREIGN_STOCK = "FS"
    KONEX = "KN"
    OTHER = "??"


class Preference(StrEnum):
    """Common or preferred share; ``OTHER`` for codes that are not documented."""

    COMMON = "0"
    OLD_PREFERRED = "1"
    NEW_PREFERRED = "2"
    OTHER = "?"


class MarketWarning(StrEnum):
    """The exchange's warning; ``OTHER`` for codes that are not documented."""

    NONE = "00"
    CAUTION = "01"
    WARNING = "02"
    RISK = "03"
    OTHER = "??"


class Overheating(StrEnum):
    """Short-term overheating; ``OTHER`` for codes that are not documented."""

    NONE = "0"
    NOTICE = "1"
    DESIGNATED = "2"
    EXTENDED = "3"
    OTHER = "?"


class ExEvent(StrEnum):
    """Why the base price is not yesterday's close."""

    NONE = "00"
    RIGHTS = "01"
    DIVIDEND = "02"
    DISTRIBUTION = "03"
    RIGHTS_AND_DIVIDEND = "04"
    INTERIM_DIVIDEND = "05"
    RIGHTS_AND_INTERIM_DIVIDEND = "06"
    OTHER = "99"


class ParChange(StrEnum):
    """A change of the par value."""

    NONE = "00"
    SPLIT = "01"
    REVERSE_SPLIT = "02"
    OTHER = "99"


class CapitalIncrease(StrEnum):
    """An increase of the capital."""

    NONE = "00"
    PAID = "01"
    BONUS = "02"
    BOTH = "03"
    OTHER = "99"


_KINDS: Final = {
    SecurityGroup.STOCK: InstrumentKind.STOCK,
    SecurityGroup.FOREIGN_STOCK: InstrumentKind.STOCK,
    SecurityGroup.DEPOSITARY_RECEIPT: InstrumentKind.STOCK,
    SecurityGroup.KONEX: InstrumentKind.STOCK,
    SecurityGroup.ETF: InstrumentKind.ETF,
    SecurityGroup.FOREIGN_ETF: InstrumentKind.ETF,
    SecurityGroup.ETN: InstrumentKind.ETN,
    SecurityGroup.ELW: InstrumentKind.ELW,
    SecurityGroup.REIT: InstrumentKind.REIT,
}
_TRADABLE_WARNINGS: Final = frozenset({MarketWarning.NONE, MarketWarning.CAUTION})


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One listed security. Flags that a market's file does not have are false.

    ``indices`` are the names of the index flags that are set, ``kospi200_sector`` is empty outside
    that index. ``investment_alert`` is KOSDAQ's own (환기). ``market_value`` is yesterday's.
    """

    symbol: Symbol
    isin: str
    name: str
    listing: Listing
    group: SecurityGroup
    kind: InstrumentKind
    size_class: str
    sectors: tuple[str, ...]
    indices: frozenset[str]
    kospi200_sector: str
    base_price: int
    lot: int
    after_hours_lot: int
    halted: bool
    liquidation: bool
    administrative: bool
    warning: MarketWarning
    risk_notice: bool
    insincere_disclosure: bool
    backdoor_listing: bool
    low_liquidity: bool
    spac: bool
    investment_alert: bool
    overheating: Overheating
    short_sale_overheated: bool
    abnormal_surge: bool
    ex_event: ExEvent
    par_change: ParChange
    capital_increase: CapitalIncrease
    preference: Preference
    venture: bool
    elw_underlying: bool
    margin_rate_percent: int
    marginable: bool
    previous_volume: int
    par_value: int
    listed_on: str
    listed_shares: int
    market_value: int
    credit_limit_exceeded: bool
    collateral_loan: bool
    short_lending: bool

    @property
    def is_tradable(self) -> bool:
        """Whether it passes every universe flag: an ordinary stock under no designation."""
        return (
            self.group is SecurityGroup.STOCK
            and self.preference is Preference.COMMON
            and self.warning in _TRADABLE_WARNINGS
            and self.overheating is Overheating.NONE
            and not (
                self.halted
                or self.liquidation
                or self.administrative
                or self.insincere_disclosure
                or self.spac
                or self.low_liquidity
                or self.investment_alert
            )
        )


class IndexName(msgspec.Struct, frozen=True, kw_only=True):
    """An index or sector; ``market`` is the leading digit of its code."""

    market: str
    code: str
    name: str


class ThemeMember(msgspec.Struct, frozen=True, kw_only=True):
    """An issue that the broker counts to a theme."""

    theme: str
    name: str
    symbol: Symbol


class MemberFirm(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the exchange."""

    code: str
    name: str
    foreign: bool


def kind_of(group: SecurityGroup) -> InstrumentKind:
    """Return what kind of security a group is."""
    return _KINDS.get(group, InstrumentKind.OTHER)
