"""The secrets of a simulated broker account: made up anew for every run.

They reach the simulator and the gateway through the environment of those two processes and are
never written anywhere; a run that has ended cannot be logged in to again.
"""

from __future__ import annotations

import secrets
import string
from typing import Final

from kis_gateway.settings import (
    ACCOUNT_VARIABLE,
    APP_KEY_VARIABLE,
    APP_SECRET_VARIABLE,
    HTS_ID_VARIABLE,
)

_ALPHABET: Final = string.ascii_letters + string.digits


def demo_credentials() -> dict[str, str]:
    """Return random credentials of the real lengths, by the variables that the gateway reads.

    KIS issues app keys of 36 and secrets of 180 characters; an account is eight digits and the two
    of its product, ``01`` for stocks. It begins with 0, as no price or volume does, so that a
    search for it in what a run has written finds nothing else.
    """
    return {
        APP_KEY_VARIABLE: _random(_ALPHABET, 36),
        APP_SECRET_VARIABLE: _random(_ALPHABET, 180),
        ACCOUNT_VARIABLE: "0" + _random(string.digits, 7) + "01",
        HTS_ID_VARIABLE: _random(string.ascii_lowercase, 8),
    }


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
