"""What faults do to a REST call, before it is carried out and after.

A call passes three points: ``admit`` (is it answered at all or refused as too fast), ``before``
(nothing has happened yet) and ``after`` (it has been carried out). Which side of the execution a
fault lies on is what decides whether a lost answer hides an order.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bus import TimeSource
from kis_gateway.simulator.calls.answers import Answer, refused
from kis_gateway.simulator.trouble.fault_board import FaultBoard
from kis_gateway.simulator.trouble.faults import Fault, FaultKind

_ERROR_TEXT: Final = "서비스 처리 중 오류가 발생하였습니다."
_UNCERTAIN: Final = Answer(
    status=500,
    body={
        "rt_cd": "1",
        "msg_cd": "EGW00301",
        "msg1": "연결시간이 초과되었습니다. 직전 거래를 반드시 확인하세요.",
    },
)


class ConnectionLost(Exception):
    """The connection goes away without an answer."""


class MetCall(NamedTuple):
    """A call as faults see it: last part of the path, order or not, account, issue code."""

    name: str
    order: bool
    account: str
    symbol: str = ""


class CallFaults:
    """Applies the armed call faults."""

    def __init__(self, board: FaultBoard, time: TimeSource) -> None:
        self._board = board
        self._time = time

    def admit(self, call: MetCall) -> None:
        """Refuse a call that a throttle waits for.

        Raises:
            CallRefused: EGW00201 or EGW00215.
        """
        if self._met(FaultKind.THROTTLE, call) is not None:
            raise refused("EGW00201")
        if self._met(FaultKind.LEDGER_THROTTLE, call) is not None:
            raise refused("EGW00215")

    async def before(self, call: MetCall) -> Answer | None:
        """Return what is answered without carrying the call out; ``None`` to carry it out.

        Raises:
            ConnectionLost: nothing is answered.
        """
        if self._met(FaultKind.RESET_BEFORE_ACCEPT, call) is not None:
            raise ConnectionLost
        fault = self._met(FaultKind.TIMEOUT_BEFORE_ACCEPT, call)
        if fault is not None:
            await self._time.sleep(fault.seconds)
            raise ConnectionLost
        fault = self._met(FaultKind.HTTP_ERROR, call)
        return _error(fault) if fault is not None else None

    def notice_first(self, call: MetCall) -> bool:
        """Return whether the call's notices are to overtake its answer."""
        return self._met(FaultKind.NOTICE_FIRST, call) is not None

    async def after(self, call: MetCall, answer: Answer) -> Answer:
        """Return what is answered to a call that has been carried out with ``answer``.

        Faults that hide an acceptance wait for one: a refused order does not use them up.

        Raises:
            ConnectionLost: nothing is answered.
        """
        fault = self._met(FaultKind.DELAY, call)
        if fault is not None:
            await self._time.sleep(fault.seconds)
        if answer.body.get("rt_cd") != "0":
            return answer
        if self._met(FaultKind.DROP_REPLY_AFTER_ACCEPT, call) is not None:
            raise ConnectionLost
        fault = self._met(FaultKind.TIMEOUT_AFTER_ACCEPT, call)
        if fault is not None:
            await self._time.sleep(fault.seconds)
            raise ConnectionLost
        if self._met(FaultKind.UNCERTAIN_REPLY, call) is not None:
            return _UNCERTAIN
        fault = self._met(FaultKind.HTTP_ERROR_AFTER_ACCEPT, call)
        return _error(fault) if fault is not None else answer

    def _met(self, kind: FaultKind, call: MetCall) -> Fault | None:
        return self._board.meet(
            kind, call.name, order=call.order, account=call.account, symbol=call.symbol
        )


def _error(fault: Fault) -> Answer:
    if not fault.body:
        return Answer(status=fault.status, body={})
    body = {"rt_cd": "1", "msg_cd": "EGW00300", "msg1": _ERROR_TEXT}
    return Answer(status=fault.status, body=body)
