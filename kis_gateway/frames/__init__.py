"""KIS real-time frames in, typed records out. Pure; the hot path of the gateway.

A frame is ``<encrypted 0|1>|<TR>|<count>|<payload>``; the payload is ``count`` records of fields
joined by ``^`` with nothing else between them. KIS appends columns without notice (trades 46 → 47,
book 59 → 62 → 63, notices 23 → 26), so the width of a record is fields ÷ count and fields are read
by position from the front: wider records are accepted and reported once, narrower ones refused.

What always holds: whatever comes in, either the complete list of records comes out or a
``FrameError`` with the frame is raised. A bad record spoils its whole frame, on purpose: a value
that cannot be means most often that columns have moved, and then the records beside it are as
wrong without showing it. The frame is kept as text, so nothing is lost. Won, shares, ns UTC; KIS
stamps have one second.

Layouts: KIS Open API documentation of the real-time feeds (``kis_gateway.protocol.feeds``).
"""

from kis_gateway.frames.decoder import FrameDecoder
from kis_gateway.frames.layouts import (
    KNOWN_WIDTHS,
    NOTICES,
    PAPER_NOTICES,
    QUOTES,
    TRADES,
)

__all__ = ["KNOWN_WIDTHS", "NOTICES", "PAPER_NOTICES", "QUOTES", "TRADES", "FrameDecoder"]
