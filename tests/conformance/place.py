"""Where a client script finds the simulator: the market place's ready line, read back."""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any, NamedTuple


class Side(NamedTuple):
    """One host of the service (real or paper) and the keys that belong to it."""

    rest: str
    ws: str
    admin: str
    app_key: str
    app_secret: str
    account: str
    hts_id: str

    @property
    def dashed_account(self) -> str:
        """``12345678-01``."""
        return f"{self.account[:8]}-{self.account[8:]}"

    def disconnect(self) -> None:
        """Have the service drop every socket of this host."""
        self._bench("/admin/fault", {"kind": "disconnect"})

    def state(self) -> dict[str, Any]:
        """Return what the exchange knows."""
        return self._bench("/admin/state", None)

    def _bench(self, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.admin + path, data=data)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))


class Place(NamedTuple):
    """Both hosts, today's date as the market has it, and what to trade."""

    real: Side
    paper: Side
    profile: str
    symbol: str
    day: str
    minute: str

    @property
    def paper_profile(self) -> bool:
        """Whether the client is to trade on the paper host."""
        return self.profile == "paper"

    @property
    def own(self) -> Side:
        """The host to trade on."""
        return self.paper if self.paper_profile else self.real


def read_place() -> Place:
    """Return the place described by the script's first argument."""
    raw = json.loads(sys.argv[1])
    return Place(
        real=Side(**raw["real"]),
        paper=Side(**raw["paper"]),
        profile=raw["profile"],
        symbol=raw["symbol"],
        day=raw["day"],
        minute=raw["minute"],
    )
