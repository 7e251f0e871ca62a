"""Own-order notices (H0STCNI0, on paper H0STCNI9): acknowledgements and fills, encrypted.

Field positions and flags follow the KIS Open API documentation: field 9 is this fill's quantity,
field 16 the order's; the flags are digits. The payload is AES-256-CBC with PKCS#7, base64, under
the key and initialisation vector given in the registration's reply on the same connection.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from events.trading import Side
from kis_gateway.protocol import Era
from kis_gateway.simulator.ledger import Action, OrderRecord
from kis_gateway.simulator.wire_formats import clock

BRANCH: Final = "00950"
"""Order organisation number of the paper service."""

_CASH: Final = "10"
_ACTION_CODES: Final = {Action.NEW: "0", Action.AMEND: "1", Action.CANCEL: "2"}


class Registration(NamedTuple):
    """Key (32 characters) and initialisation vector (16) of one registration on one connection."""

    key: str
    iv: str

    @staticmethod
    def derive(secret: str, connection: int, feed: str, tr_key: str) -> Registration:
        """Return the pair of a registration; another connection gets another pair."""
        seed = f"{secret}|{connection}|{feed}|{tr_key}".encode()
        text = hashlib.sha256(seed).hexdigest()
        return Registration(text[:32], text[32:48])

    def encrypt(self, text: str) -> str:
        """Return the payload for a record."""
        padder = PKCS7(AES.block_size).padder()
        padded = padder.update(text.encode()) + padder.finalize()
        encryptor = Cipher(AES(self.key.encode()), CBC(self.iv.encode())).encryptor()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


class Receipt(NamedTuple):
    """What a notice says beyond the order itself."""

    at: int
    quantity: int
    price: int = 0
    fill: bool = False
    refused: bool = False
    accepted_as: str = "1"
    """1 received, 2 confirmed (amend, cancel, fill), 3 remainder of an IOC/FOK cancelled."""

    @property
    def of_order(self) -> bool:
        """Whether it tells what became of a working order, not of the request for an amend."""
        return self.fill or self.accepted_as == "3"


def notice_record(order: OrderRecord, receipt: Receipt, *, hts_id: str, name: str, era: Era) -> str:
    """Return the plain record; ``name`` is the issue's name."""
    head = (
        hts_id,
        order.account,
        order.number,
        order.original or "",
        "02" if order.side is Side.BUY else "01",
        _ACTION_CODES[Action.NEW if receipt.of_order else order.action],
        order.order_type.code,
        order.order_type.condition,
        order.symbol,
        f"{receipt.quantity:010d}",
        f"{receipt.price:09d}",
        clock(receipt.at),
        "1" if receipt.refused else "0",
        "2" if receipt.fill else "1",
        receipt.accepted_as,
        BRANCH,
        f"{order.quantity:09d}",
        f"모의{order.account[:8]}",
    )
    price = f"{order.price:09d}"
    if era is Era.A:
        return "^".join((*head, name[:10], _CASH, "", name, price))
    exchange = (f"{order.trigger:09d}", order.exchange_class)
    return "^".join((*head, *exchange, "Y", "", _CASH, "", name, price))
