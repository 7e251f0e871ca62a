"""What a call asks for: headers and parameters, read with the errors the service answers.

Parameter names are case-insensitive; values must be text, numbers too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from kis_gateway.simulator.calls.answers import refused, refused_by_text
from kis_gateway.simulator.settings import Credentials

_LONGEST: Final = 255
"""Characters of a value; the longest documented one, a cursor, has 200."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated call. ``variant`` is what its TR id selects (``buy``, ``sell``)."""

    credentials: Credentials
    tr_id: str
    variant: str
    continued: bool
    params: Mapping[str, object]

    def text(self, name: str, default: str | None = None) -> str:
        """Return a parameter; without a default it must be there.

        Raises:
            CallRefused: missing (APMP0001), not text or too long (OPSQ2002).
        """
        value = self.params.get(name, default)
        if value is None:
            raise refused("APMP0001", f"필수입력 항목이 누락되었습니다. [{name}]")
        if not isinstance(value, str):
            raise refused("OPSQ2002", f"ERROR INVALID INPUT_FIELD_TYPE [{name}]")
        if len(value) > _LONGEST:
            raise refused("OPSQ2002")
        return value.strip()

    def number(self, name: str) -> int:
        """Return a whole number written as digits.

        Raises:
            CallRefused: missing, not text, or not digits.
        """
        text = self.text(name)
        if not (text.isascii() and text.isdecimal()):
            raise refused_by_text(f"입력값이 올바르지 않습니다. [{name}] {text}")
        return int(text)


def read_params(raw: Mapping[str, object]) -> dict[str, object]:
    """Return parameters under upper-case names."""
    return {name.upper(): value for name, value in raw.items()}
