"""The figures by which orders are formed, from ``gateway.yaml`` under ``orders``. Checked once."""

from __future__ import annotations

from typing import Final

import msgspec

from events.trading import Route
from kis_gateway.errors import SettingsError

_MAY_BE_ZERO: Final = frozenset({"most_reprices", "slice_percent"})


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Distances in thousandths of the price (``_bps``: ten-thousandths), times in seconds, won.

    ``market_sell_from_attempt`` counts the orders of an execution and the attempts of its intent,
    whichever is more. Prices older than ``fresh_price_s`` are stale. ``slice_percent`` of what was
    traded in ``slice_window_s`` bounds one order, but never below ``slice_least_won``; 0 switches
    slicing off. ``nxt_allowed`` says that the account may trade beside KRX (paper accounts may
    not); without it ``route`` and ``exits_after_hours`` change nothing.

    Raises ``SettingsError`` when a figure cannot be.
    """

    urgent_buy_reach_per_mille: int = 2
    stop_buy_reach_per_mille: int = 3
    urgent_sell_reach_per_mille: int = 5
    stop_buy_lifetime_s: float = 30.0
    urgent_buy_lifetime_s: float = 10.0
    patient_buy_lifetime_s: float = 120.0
    urgent_sell_lifetime_s: float = 3.0
    patient_sell_lifetime_s: float = 30.0
    market_sell_from_attempt: int = 3
    most_reprices: int = 3
    chase_bps: int = 30
    fresh_price_s: float = 10.0
    refusals_before_end: int = 5
    slice_percent: int = 10
    slice_window_s: float = 300.0
    slice_least_won: int = 10_000_000
    route: Route = Route.KRX
    nxt_allowed: bool = False
    exits_after_hours: bool = False

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool | Route):
                continue
            if value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
                raise SettingsError(f"orders.{name} is {value}: it must be above 0")
        if self.route is Route.NXT:
            raise SettingsError(
                "orders.route is nxt: NXT trades only some symbols and knows no market order; "
                "choose krx or sor"
            )
