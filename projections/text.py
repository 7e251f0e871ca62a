"""Text that PostgreSQL can hold: it refuses the NUL character, which a broker's reply may contain.

Without this one bad byte in a rejection message would stop a projection for good.
"""

from __future__ import annotations

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode


def plain(text: str) -> str:
    """Return ``text`` with NUL characters replaced by U+FFFD."""
    return text.replace("\x00", "\ufffd")


def json_text(value: object) -> str:
    """Return ``value`` as JSON text with NUL characters replaced by U+FFFD."""
    return _encode(value).decode().replace("\\u0000", "\\ufffd")
