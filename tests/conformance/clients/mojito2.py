"""mojito2 (import ``mojito``): plain dictionaries, no throttling, a socket in a child process.

Redirected by ``set_base_url``, by ``base_url`` of the socket's class and by the address its socket
opens. It knows neither a call for the order book nor one for the day's orders, asks for open orders
under the real TR id only, and reads notices of the real host only. Its socket does not come back
by itself: the caller starts another.
"""

from __future__ import annotations

import multiprocessing
import queue
import time
from typing import Any

import mojito  # type: ignore[import-not-found] # lives in this client's own environment
import mojito.koreainvestment  # type: ignore[import-not-found] # same

from tests.conformance.place import Place, read_place
from tests.conformance.steps import Report, expect, wait_for

_TRADE, _BOOK, _NOTICE = "체결", "호가", "체잔"


def redirect(place: Place) -> None:
    """Change the hosts that the client has written down."""

    def set_base_url(self: Any, mock: bool = True) -> None:
        self.base_url = place.paper.rest if mock else place.real.rest

    mojito.KoreaInvestment.set_base_url = set_base_url
    sockets = mojito.koreainvestment.websockets
    connect = sockets.connect

    class Redirected:
        """The library's name for websockets, with another address."""

        @staticmethod
        def connect(_uri: str, **options: Any) -> Any:
            return connect(place.own.ws, **options)

    mojito.koreainvestment.websockets = Redirected


class Run:
    """One client's way through the steps."""

    def __init__(self, place: Place, report: Report) -> None:
        self._place = place
        self._report = report
        self._seen: dict[str, list[Any]] = {_TRADE: [], _BOOK: [], _NOTICE: []}

    def go(self) -> None:
        """Take every step."""
        step, skip = self._report.step, self._report.not_offered
        paper = self._place.paper_profile
        self._broker = step("login", self._log_in)
        step("price", self._price)
        skip("order book", "mojito2 has no call for it")
        step("daily chart", self._daily)
        step("minute chart", self._minutes)
        step("balance", self._balance)
        step("buying power", self._buying_power)
        self._socket = self._open_socket()
        step("subscribe trades", lambda: self._wait_for(_TRADE, 3)["주식현재가"])
        step("subscribe book", lambda: self._wait_for(_BOOK, 3)["매도호가01"])
        self._order = step("place", lambda: self._place_at(self._low + 10 * self._tick, 3))
        if paper:
            skip("open orders", "mojito2 asks under the real TR id only")
        else:
            step("open orders", self._open_orders)
        self._order = step("amend", self._amend)
        step("cancel", self._cancel)
        step("fill", self._fill)
        if paper:
            skip("fill notice", "mojito2 reads H0STCNI0 only, paper sends H0STCNI9")
        else:
            step("fill notice", self._notice)
        skip("daily orders", "mojito2 has no call for it")
        step("reconnect", self._reconnect)
        self._socket.terminate()

    def _log_in(self) -> Any:
        own = self._place.own
        return mojito.KoreaInvestment(
            api_key=own.app_key,
            api_secret=own.app_secret,
            acc_no=own.dashed_account,
            mock=self._place.paper_profile,
        )

    def _price(self) -> str:
        output = _good(self._broker.fetch_price(self._place.symbol))["output"]
        self._now, self._low = int(output["stck_prpr"]), int(output["stck_llam"])
        self._tick = int(output["aspr_unit"])
        return f"{output['stck_prpr']} volume {output['acml_vol']}"

    def _daily(self) -> str:
        answer = self._broker.fetch_ohlcv(self._place.symbol, "D", "", self._place.day)
        rows = _good(answer)["output2"]
        expect(len(rows) > 15, f"{len(rows)} bars")
        return f"{len(rows)} bars to {rows[0]['stck_bsop_date']}"

    def _minutes(self) -> str:
        rows = self._broker.fetch_today_1m_ohlcv(self._place.symbol, self._place.minute)["output2"]
        expect(len(rows) >= 15, f"{len(rows)} bars")
        return f"{len(rows)} bars to {rows[0]['stck_cntg_hour']}"

    def _balance(self) -> str:
        answer = self._broker.fetch_balance()
        expect(answer["output1"], "no holdings")
        return f"{answer['output2'][0]['dnca_tot_amt']} won, {len(answer['output1'])} holdings"

    def _held(self) -> int:
        rows = self._broker.fetch_balance()["output1"]
        return sum(int(row["hldg_qty"]) for row in rows if row["pdno"] == self._place.symbol)

    def _buying_power(self) -> str:
        answer = self._broker.check_buy_order(self._place.symbol, self._now, "00")
        output = _good(answer)["output"]
        expect(int(output["max_buy_qty"]) > 0, "nothing can be bought")
        return f"{output['max_buy_qty']} shares of {self._now}"

    def _open_socket(self) -> Any:
        own = self._place.own
        socket = mojito.KoreaInvestmentWS(
            api_key=own.app_key,
            api_secret=own.app_secret,
            tr_id_list=["H0STCNT0", "H0STASP0"],
            tr_key_list=[self._place.symbol],
            user_id=None if self._place.paper_profile else own.hts_id,
        )
        socket.base_url = own.rest
        socket.start()
        return socket

    def _wait_for(self, kind: str, count: int) -> Any:
        return wait_for(lambda: self._take(kind, count), f"{count} x {kind}")

    def _take(self, kind: str, count: int) -> Any:
        self._drain()
        return self._seen[kind][-1] if len(self._seen[kind]) >= count else None

    def _drain(self) -> None:
        while True:
            try:
                kind, record = self._socket.queue.get_nowait()
            except queue.Empty:
                return
            self._seen[kind].append(record)

    def _place_at(self, price: int, quantity: int) -> dict[str, str]:
        answer = self._broker.create_limit_buy_order(self._place.symbol, price, quantity)
        output: dict[str, str] = _good(answer)["output"]
        return output

    def _open_orders(self) -> str:
        row = wait_for(self._open_row, "open order", every=1.2)
        expect(row["ord_qty"] == "3", f"row {row}")
        return f"{row['psbl_qty']} open at {row['ord_unpr']}"

    def _open_row(self) -> Any:
        asked = {"CTX_AREA_FK100": "", "CTX_AREA_NK100": "", "INQR_DVSN_1": "1", "INQR_DVSN_2": "0"}
        rows = _good(self._broker.fetch_open_order(asked))["output"]
        return next((row for row in rows if row["odno"] == self._order["ODNO"]), None)

    def _amend(self) -> dict[str, str]:
        answer = self._broker.modify_order(
            self._order["KRX_FWDG_ORD_ORGNO"],
            self._order["ODNO"],
            "00",
            self._low + 20 * self._tick,
            3,
            total=True,
        )
        output: dict[str, str] = _good(answer)["output"]
        expect(output["ODNO"] != self._order["ODNO"], "an amendment has a number of its own")
        return output

    def _cancel(self) -> str:
        answer = self._broker.cancel_order(
            self._order["KRX_FWDG_ORD_ORGNO"], self._order["ODNO"], 3, total=True
        )
        return str(_good(answer)["output"]["ODNO"])

    def _fill(self) -> str:
        before = self._held()
        time.sleep(1.2)
        self._bought = self._place_at(self._now + 10 * self._tick, 2)
        time.sleep(1.2)
        held = wait_for(lambda: self._held() == before + 2, "shares in the balance", every=1.2)
        return f"held: {held}"

    def _notice(self) -> str:
        notice = wait_for(lambda: self._fill_of(self._bought), "fill notice")
        expect(notice["고객ID"] == self._place.own.hts_id, "another customer")
        return f"{notice['체결수량']} at {notice['체결단가']} of {notice['주문수량']}"

    def _fill_of(self, order: dict[str, str]) -> Any:
        self._drain()
        return next(
            (
                notice
                for notice in self._seen[_NOTICE]
                if notice["주문번호"] == order["ODNO"] and notice["체결여부"] == "2"
            ),
            None,
        )

    def _reconnect(self) -> str:
        self._place.own.disconnect()
        wait_for(lambda: not self._socket.is_alive(), "end of the socket's process")
        self._drain()
        time.sleep(6)
        seen = len(self._seen[_TRADE])
        self._socket = self._open_socket()
        self._wait_for(_TRADE, seen + 3)
        if self._place.paper_profile:
            return "trades again"
        order = self._place_at(self._now + 10 * self._tick, 2)
        wait_for(lambda: self._fill_of(order), "fill notice after the cut")
        return f"notice of {order['ODNO']}"


def _good(answer: dict[str, Any]) -> dict[str, Any]:
    expect(answer.get("rt_cd") == "0", f"refused: {answer}")
    return answer


def main() -> None:
    """Run against the place of the command line."""
    multiprocessing.set_start_method("fork")
    place = read_place()
    redirect(place)
    Run(place, Report(pause=1.1)).go()


if __name__ == "__main__":
    main()
