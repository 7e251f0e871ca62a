"""pykis 0.7 (an older project than python-kis): REST only, hash keys, all-lower-case headers.

Redirected by the address of its ``DomainInfo``. It asks for buying power under the path of another
call, which this client has to itself; its open orders are not asked for on paper, where KIS has no
such call.
"""

from __future__ import annotations

import time
from typing import Any

import pykis  # type: ignore[import-not-found] # lives in this client's own environment

from tests.conformance.place import Place, read_place
from tests.conformance.steps import Report, expect, wait_for


class Run:
    """One client's way through the steps."""

    def __init__(self, place: Place, report: Report) -> None:
        self._place = place
        self._report = report

    def go(self) -> None:
        """Take every step."""
        step, skip = self._report.step, self._report.not_offered
        step("login", self._log_in)
        step("price", self._price)
        skip("order book", "pykis has no call for it")
        step("daily chart", self._daily)
        skip("minute chart", "pykis has no call for it")
        step("balance", self._balance)
        skip("buying power", "pykis asks under the path of another call")
        for name in ("subscribe trades", "subscribe book", "fill notice", "reconnect"):
            skip(name, "pykis has no socket")
        self._order = step("place", lambda: self._buy(self._low + 10 * self._tick, 3))
        if self._place.paper_profile:
            skip("open orders", "KIS has no such call on paper")
        else:
            step("open orders", self._open_orders)
        step("amend", self._amend)
        step("cancel", self._cancel)
        step("fill", self._fill)
        skip("daily orders", "pykis has no call for it")

    def _log_in(self) -> str:
        own = self._place.own
        domain = pykis.DomainInfo(kind="virtual" if self._place.paper_profile else "real")
        domain.base_url = own.rest
        self._api = pykis.Api(
            key_info={"appkey": own.app_key, "appsecret": own.app_secret},
            domain_info=domain,
            account_info={"account_code": own.account[:8], "product_code": own.account[8:]},
        )
        self._api.create_token()
        return str(self._api.token.valid_until)

    def _price(self) -> str:
        symbol = self._place.symbol
        info = self._api._get_kr_stock_current_price_info(symbol)
        self._now, self._tick = int(info["stck_prpr"]), int(info["aspr_unit"])
        time.sleep(1.1)
        self._low = self._api.get_kr_min_price(symbol)
        return f"{self._now}, not below {self._low}"

    def _daily(self) -> str:
        frame = self._api.get_kr_ohlcv(self._place.symbol)
        expect(len(frame) == 30, f"{len(frame)} bars")
        return f"{len(frame)} bars to {frame.index[0]:%Y-%m-%d}"

    def _balance(self) -> str:
        frame = self._api.get_kr_stock_balance()
        expect(len(frame) == 1, f"{len(frame)} holdings")
        return f"{frame.index[0]}: {frame['보유수량'].iloc[0]}"

    def _buy(self, price: int, quantity: int) -> Any:
        return self._api.buy_kr_stock(self._place.symbol, quantity, price)

    def _open_orders(self) -> str:
        def look() -> str:
            frame = self._api.get_kr_orders()
            return " ".join(frame["정정취소가능수량"]) if self._order["ODNO"] in frame.index else ""

        return f"{wait_for(look, 'open order', every=1.2)} open"

    def _amend(self) -> str:
        body = self._api.revise_kr_order(
            self._order["ODNO"],
            self._low + 20 * self._tick,
            order_branch=self._order["KRX_FWDG_ORD_ORGNO"],
        )
        self._order = body["output"]
        return str(self._order["ODNO"])

    def _cancel(self) -> str:
        branch = self._order["KRX_FWDG_ORD_ORGNO"]
        body = self._api.cancel_kr_order(self._order["ODNO"], order_branch=branch)
        return str(body["output"]["ODNO"])

    def _fill(self) -> str:
        self._buy(self._now + 10 * self._tick, 2)
        time.sleep(1.2)
        wait_for(self._held, "shares in the balance", every=1.2)
        return "held"

    def _held(self) -> bool:
        frame = self._api.get_kr_stock_balance()
        held = self._place.symbol in frame.index
        return held and int(frame.loc[self._place.symbol, "보유수량"]) == 2


def main() -> None:
    """Run against the place of the command line."""
    place = read_place()
    Run(place, Report(pause=1.1)).go()


if __name__ == "__main__":
    main()
