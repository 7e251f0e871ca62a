"""The way of the broker's own samples, written anew: what a copied sample asks of the service.

Answers are named tuples of the all-lower-case headers and of the body, errors are read from either
envelope, GET parameters and POST bodies are upper case, a page follows while ``tr_cont`` says so,
PINGPONG is answered by a pong frame, and a frame is decrypted when the reply to its registration
said ``encrypt`` ``Y``.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections import namedtuple
from typing import Any

import requests  # lives in this client's own environment
import websockets
from Crypto.Cipher import AES  # type: ignore[import-not-found] # same
from Crypto.Util.Padding import unpad  # type: ignore[import-not-found] # same

from tests.conformance.place import Place, read_place
from tests.conformance.steps import Report, expect, wait_for

_QUOTATIONS = "/uapi/domestic-stock/v1/quotations/"
_TRADING = "/uapi/domestic-stock/v1/trading/"


class Caller:
    """REST as the samples do it."""

    def __init__(self, place: Place) -> None:
        self._side = place.own
        self._paper = place.paper_profile
        self._token = ""

    def log_in(self) -> str:
        """Fetch a token and keep it."""
        body = {
            "grant_type": "client_credentials",
            "appkey": self._side.app_key,
            "appsecret": self._side.app_secret,
        }
        answer = requests.post(f"{self._side.rest}/oauth2/tokenP", data=json.dumps(body))
        expect(answer.status_code == 200, f"{answer.status_code} {answer.text}")
        self._token = _tuple("body", answer.json()).access_token
        return str(_tuple("body", answer.json()).access_token_token_expired)

    def approval_key(self) -> str:
        """Fetch a key for the socket."""
        body = {
            "grant_type": "client_credentials",
            "appkey": self._side.app_key,
            "secretkey": self._side.app_secret,
        }
        answer = requests.post(f"{self._side.rest}/oauth2/Approval", data=json.dumps(body))
        return str(_tuple("body", answer.json()).approval_key)

    def call(
        self,
        path: str,
        tr_id: str,
        params: dict[str, str],
        *,
        post: bool = False,
        tr_cont: str = "",
    ) -> tuple[Any, Any]:
        """Return header and body as named tuples; raise on anything but rt_cd 0."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/plain",
            "charset": "UTF-8",
            "authorization": f"Bearer {self._token}",
            "appkey": self._side.app_key,
            "appsecret": self._side.app_secret,
            "tr_id": f"V{tr_id[1:]}" if self._paper and tr_id[0] in "TJC" else tr_id,
            "custtype": "P",
            "tr_cont": tr_cont,
        }
        url = self._side.rest + path
        if post:
            answer = requests.post(url, headers=headers, data=json.dumps(params))
        else:
            answer = requests.get(url, headers=headers, params=params)
        header = _tuple("header", {k: v for k, v in answer.headers.items() if k.islower()})
        body = _tuple("body", answer.json())
        expect(answer.status_code == 200 and body.rt_cd == "0", f"{answer.status_code} {body}")
        expect(header.tr_id == headers["tr_id"], "the answer's tr_id header")
        return header, body

    def account(self, path: str, tr_id: str, **params: str) -> list[Any]:
        """Return the rows of every page of an inquiry about the account."""
        asked = {
            "CANO": self._side.account[:8],
            "ACNT_PRDT_CD": self._side.account[8:],
            "CTX_AREA_FK100": "",
            "CTX_AREA_NK100": "",
            **params,
        }
        rows: list[Any] = []
        tr_cont = ""
        while True:
            header, body = self.call(_TRADING + path, tr_id, asked, tr_cont=tr_cont)
            rows += body.output1 if hasattr(body, "output1") else body.output
            if header.tr_cont not in ("M", "F"):
                return rows
            tr_cont = "N"
            asked["CTX_AREA_FK100"] = body.ctx_area_fk100
            asked["CTX_AREA_NK100"] = body.ctx_area_nk100

    def order(self, path: str, tr_id: str, **params: str) -> Any:
        """Send an order and return its output."""
        asked = {"CANO": self._side.account[:8], "ACNT_PRDT_CD": self._side.account[8:], **params}
        return self.call(_TRADING + path, tr_id, asked, post=True)[1].output


class Stream(threading.Thread):
    """The socket as the samples do it: in a loop of its own, coming back after a cut."""

    def __init__(self, url: str, approval_key: str, wanted: list[tuple[str, str]]) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._approval_key = approval_key
        self._wanted = wanted
        self._pairs: dict[str, tuple[str, str]] = {}
        self.seen: dict[str, list[list[str]]] = {feed: [] for feed, _ in wanted}
        self.errors: list[str] = []

    def run(self) -> None:
        """Read until the program ends."""
        asyncio.run(self._forever())

    async def _forever(self) -> None:
        while True:
            try:
                async with websockets.connect(f"{self._url}/tryitout") as socket:
                    for feed, key in self._wanted:
                        await socket.send(self._registration(feed, key))
                        await asyncio.sleep(0.1)
                    async for raw in socket:
                        await self._take(socket, str(raw))
            except websockets.ConnectionClosed as closed:
                self.errors.append(str(closed))
                await asyncio.sleep(1)

    def _registration(self, feed: str, key: str) -> str:
        header = {
            "approval_key": self._approval_key,
            "custtype": "P",
            "tr_type": "1",
            "content-type": "utf-8",
        }
        body = {"input": {"tr_id": feed, "tr_key": key}}
        return json.dumps({"header": header, "body": body})

    async def _take(self, socket: Any, raw: str) -> None:
        if raw[0] in ("0", "1"):
            _, feed, count, payload = raw.split("|", 3)
            if feed in self._pairs:
                payload = _decrypt(payload, *self._pairs[feed])
            fields = payload.split("^")
            width = len(fields) // int(count)
            self.seen[feed] += [fields[i : i + width] for i in range(0, len(fields), width)]
            return
        told = json.loads(raw)
        if told["header"]["tr_id"] == "PINGPONG":
            await socket.pong(raw)
        elif told["body"]["rt_cd"] != "0":
            self.errors.append(raw)
        elif told["header"]["encrypt"] == "Y":
            output = told["body"]["output"]
            self._pairs[told["header"]["tr_id"]] = (output["key"], output["iv"])


class Run:
    """The samples' way through the steps."""

    def __init__(self, place: Place, report: Report) -> None:
        self._place = place
        self._report = report
        self._caller = Caller(place)
        self._notice_feed = "H0STCNI9" if place.paper_profile else "H0STCNI0"

    def go(self) -> None:
        """Take every step."""
        step = self._report.step
        step("login", self._caller.log_in)
        step("price", self._price)
        step("order book", self._book)
        step("daily chart", self._daily)
        step("minute chart", self._minutes)
        step("balance", self._balance)
        step("buying power", self._buying_power)
        own, symbol = self._place.own, self._place.symbol
        feeds = [("H0STCNT0", symbol), ("H0STASP0", symbol), (self._notice_feed, own.hts_id)]
        self._stream = Stream(own.ws, self._caller.approval_key(), feeds)
        self._stream.start()
        step("subscribe trades", lambda: self._wait_for("H0STCNT0", 3)[2])
        step("subscribe book", lambda: self._wait_for("H0STASP0", 3)[3])
        self._order = step("place", lambda: self._buy(self._low + 10 * self._tick, 3))
        if self._place.paper_profile:
            self._report.not_offered("open orders", "KIS has no such call on paper")
        else:
            step("open orders", self._open_orders)
        self._order = step("amend", lambda: self._revise("01", self._low + 20 * self._tick))
        step("cancel", lambda: self._revise("02", 0))
        step("fill", self._fill)
        step("fill notice", lambda: self._notice_of(self._bought))
        step("daily orders", self._daily_orders)
        step("reconnect", self._reconnect)

    def _quote(self, path: str, tr_id: str, **params: str) -> Any:
        asked = {
            "FID_COND_MRKT_DIV_CODE": "J",
            "FID_INPUT_ISCD": self._place.symbol,
            **params,
        }
        return self._caller.call(_QUOTATIONS + path, tr_id, asked)[1]

    def _price(self) -> str:
        output = self._quote("inquire-price", "FHKST01010100").output
        self._now, self._low = int(output["stck_prpr"]), int(output["stck_llam"])
        self._tick = int(output["aspr_unit"])
        return str(self._now)

    def _book(self) -> str:
        body = self._quote("inquire-asking-price-exp-ccn", "FHKST01010200")
        expect(int(body.output1["askp1"]) > int(body.output1["bidp1"]) > 0, "no book")
        return f"{body.output1['bidp1']} / {body.output1['askp1']}"

    def _daily(self) -> str:
        body = self._quote(
            "inquire-daily-itemchartprice",
            "FHKST03010100",
            FID_INPUT_DATE_1="20200101",
            FID_INPUT_DATE_2=self._place.day,
            FID_PERIOD_DIV_CODE="D",
            FID_ORG_ADJ_PRC="1",
        )
        expect(len(body.output2) == 100, f"{len(body.output2)} bars")
        return str(body.output2[0]["stck_bsop_date"])

    def _minutes(self) -> str:
        body = self._quote(
            "inquire-time-itemchartprice",
            "FHKST03010200",
            FID_INPUT_HOUR_1=self._place.minute,
            FID_PW_DATA_INCU_YN="Y",
            FID_ETC_CLS_CODE="",
        )
        expect(len(body.output2) >= 15, f"{len(body.output2)} bars")
        return f"{len(body.output2)} bars"

    def _balance(self) -> str:
        rows = self._holdings()
        expect(len(rows) == 1, f"{len(rows)} holdings")
        return f"{rows[0]['pdno']}: {rows[0]['hldg_qty']}"

    def _holdings(self) -> list[Any]:
        return self._caller.account(
            "inquire-balance",
            "TTTC8434R",
            AFHR_FLPR_YN="N",
            OFL_YN="",
            INQR_DVSN="02",
            UNPR_DVSN="01",
            FUND_STTL_ICLD_YN="N",
            FNCG_AMT_AUTO_RDPT_YN="N",
            PRCS_DVSN="00",
        )

    def _buying_power(self) -> str:
        own = self._place.own
        asked = {
            "CANO": own.account[:8],
            "ACNT_PRDT_CD": own.account[8:],
            "PDNO": self._place.symbol,
            "ORD_UNPR": str(self._now),
            "ORD_DVSN": "01",
            "CMA_EVLU_AMT_ICLD_YN": "N",
            "OVRS_ICLD_YN": "N",
        }
        body = self._caller.call(_TRADING + "inquire-psbl-order", "TTTC8908R", asked)[1]
        expect(int(body.output["nrcvb_buy_qty"]) > 0, "nothing can be bought")
        return str(body.output["nrcvb_buy_qty"])

    def _wait_for(self, feed: str, count: int) -> list[str]:
        seen = self._stream.seen[feed]
        wait_for(lambda: len(seen) >= count, f"{count} records of {feed}: {self._stream.errors}")
        return seen[-1]

    def _buy(self, price: int, quantity: int) -> Any:
        return self._caller.order(
            "order-cash",
            "TTTC0012U",
            PDNO=self._place.symbol,
            ORD_DVSN="00",
            ORD_QTY=str(quantity),
            ORD_UNPR=str(price),
            EXCG_ID_DVSN_CD="KRX",
            SLL_TYPE="",
            CNDT_PRIC="",
        )

    def _open_orders(self) -> str:
        def look() -> Any:
            rows = self._caller.account(
                "inquire-psbl-rvsecncl", "TTTC0084R", INQR_DVSN_1="1", INQR_DVSN_2="0"
            )
            return next((row for row in rows if row["odno"] == self._order["ODNO"]), None)

        row = wait_for(look, "open order", every=1.2)
        return f"{row['psbl_qty']} open at {row['ord_unpr']}"

    def _revise(self, what: str, price: int) -> Any:
        return self._caller.order(
            "order-rvsecncl",
            "TTTC0013U",
            KRX_FWDG_ORD_ORGNO=self._order["KRX_FWDG_ORD_ORGNO"],
            ORGN_ODNO=self._order["ODNO"],
            ORD_DVSN="00",
            RVSE_CNCL_DVSN_CD=what,
            ORD_QTY="0",
            ORD_UNPR=str(price),
            QTY_ALL_ORD_YN="Y",
            EXCG_ID_DVSN_CD="KRX",
        )

    def _fill(self) -> str:
        self._bought = self._buy(self._now + 10 * self._tick, 2)
        time.sleep(1.2)
        row = wait_for(lambda: self._filled(self._bought), "fill in the day's orders", every=1.2)
        return f"{row['tot_ccld_qty']} at {row['avg_prvs']}"

    def _filled(self, order: Any) -> Any:
        rows = self._rows_of_the_day()
        return next(
            (row for row in rows if row["odno"] == order["ODNO"] and int(row["tot_ccld_qty"]) == 2),
            None,
        )

    def _rows_of_the_day(self) -> list[Any]:
        return self._caller.account(
            "inquire-daily-ccld",
            "TTTC0081R",
            INQR_STRT_DT=self._place.day,
            INQR_END_DT=self._place.day,
            SLL_BUY_DVSN_CD="00",
            PDNO="",
            CCLD_DVSN="00",
            INQR_DVSN="00",
            INQR_DVSN_3="00",
            ORD_GNO_BRNO="",
            ODNO="",
            INQR_DVSN_1="",
            EXCG_ID_DVSN_CD="KRX",
        )

    def _notice_of(self, order: Any) -> str:
        def look() -> Any:
            return next(
                (
                    fields
                    for fields in self._stream.seen[self._notice_feed]
                    if fields[2] == order["ODNO"] and fields[13] == "2"
                ),
                None,
            )

        fields = wait_for(look, "fill notice")
        return f"{fields[9]} at {fields[10]}"

    def _daily_orders(self) -> str:
        rows = self._rows_of_the_day()
        expect(len(rows) >= 2, f"{len(rows)} rows")
        return f"{len(rows)} rows"

    def _reconnect(self) -> str:
        seen = len(self._stream.seen["H0STCNT0"])
        self._place.own.disconnect()
        self._wait_for("H0STCNT0", seen + 3)
        return self._notice_of(self._buy(self._now + 10 * self._tick, 2))


def _tuple(name: str, values: dict[str, Any]) -> Any:
    return namedtuple(name, values.keys())(**values)


def _decrypt(payload: str, key: str, iv: str) -> str:
    cipher = AES.new(key.encode(), AES.MODE_CBC, iv.encode())
    return str(unpad(cipher.decrypt(base64.b64decode(payload)), AES.block_size).decode())


def main() -> None:
    """Run against the place of the command line."""
    place = read_place()
    Run(place, Report(pause=1.1)).go()


if __name__ == "__main__":
    main()
