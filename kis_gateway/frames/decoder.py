"""From the text of a frame to its records: envelope, key, width, the reader of its feed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from events.market import Venue
from kis_gateway.broker import FeedMessage, WidthChanged
from kis_gateway.errors import FrameError, FrameNotRead, MalformedFrame, ShortFrame
from kis_gateway.frames.books import BookReader
from kis_gateway.frames.layouts import (
    KNOWN_WIDTHS,
    NOT_READ,
    NOTICES,
    OWN_NOTICES,
    PAPER_NOTICES,
    Layout,
)
from kis_gateway.frames.markets import (
    ExpectedMatchReader,
    IndexReader,
    NavReader,
    OperationReader,
    ProgramReader,
    SymbolProgramReader,
)
from kis_gateway.frames.notices import NoticeReader, masked
from kis_gateway.frames.reading import Kept, Reader
from kis_gateway.frames.trades import TradeReader

_HEAD: Final = len("0|H0STCNT0|001|")
_MOST_RECORDS: Final = 1_000

_Head = tuple[Layout, Reader, bool]


class FrameDecoder:
    """Decodes the frames of one account's session; remembers only values that repeat."""

    __slots__ = ("_account", "_heads", "_known", "_readers")

    def __init__(self, account: str) -> None:
        """``account`` is the ten digits whose notices are wanted; others are left out."""
        self._account = account
        self._readers = _readers(Kept(), account)
        self._known = {tr_id: set(widths) for tr_id, widths in KNOWN_WIDTHS.items()}
        # By the text before the payload: who reads it.
        self._heads: dict[str, _Head] = {}

    def decode(
        self, frame: str, received: int, decrypt: Callable[[str, str], str] | None = None
    ) -> tuple[FeedMessage, ...]:
        """Return the records of one data frame in order; trades of one symbol come as one frame.

        ``received`` is ns UTC. ``decrypt(tr, payload)`` opens encrypted payloads. Records of a
        width never seen before are preceded by ``WidthChanged``, once per width.

        Empty when the frame holds nothing of ours: a notice of another account, or trade records
        without a traded quantity (indications of an expected price).

        Raises:
            ShortFrame: fewer columns than the feed has ever had.
            MalformedFrame: another shape, an unknown TR, a value of the wrong type.
            FrameNotRead: a feed whose records no event type carries.
            DecryptionFailed: from ``decrypt``.
        """
        head = self._heads.get(frame[:_HEAD])
        if head is None:
            head, payload = self._parse_head(frame)
        else:
            payload = frame[_HEAD:]
        layout, reader, encrypted = head
        if encrypted:
            payload = self._open(layout.tr_id, payload, frame, decrypt)
        try:
            messages = reader.read(payload, layout, received)
        except ShortFrame as error:
            raise self._failed(ShortFrame, str(error), layout, payload, frame) from None
        except (ValueError, KeyError) as error:
            # The value is not repeated for notices: with moved columns it may be the person's.
            value = "in a column of the frame" if layout.tr_id in OWN_NOTICES else str(error)
            what = f"{layout.tr_id}: {type(error).__name__} {value}"
            raise self._failed(MalformedFrame, what, layout, payload, frame) from None
        if layout.changed is None:
            return messages
        return self._report(layout, received, messages)

    def opened(self, frame: str, decrypt: Callable[[str, str], str] | None) -> str:
        """Return a notice frame with its payload opened and the person's data masked.

        Every other frame is returned as it is.

        Raises:
            MalformedFrame: it is no frame, or encrypted and no key is known.
            DecryptionFailed: from ``decrypt``.
        """
        (layout, _, encrypted), payload = self._parse_head(frame)
        if layout.tr_id not in OWN_NOTICES:
            return frame
        if encrypted:
            payload = self._open(layout.tr_id, payload, frame, decrypt)
        return self._shown(layout, payload, frame)

    def _parse_head(self, frame: str) -> tuple[_Head, str]:
        parts = frame.split("|", 3)
        if len(parts) != 4:
            raise MalformedFrame(f"the frame has {len(parts)} parts instead of 4", frame)
        flag, tr_id, count_text, payload = parts
        plain = len(count_text) < 5 and count_text.isascii() and count_text.isdigit()
        count = int(count_text) if plain else 0
        if tr_id in NOT_READ:
            raise FrameNotRead(f"{tr_id}: no event type carries turnover by member firm", frame)
        reader = self._readers.get(tr_id)
        if reader is None or flag not in ("0", "1") or not 0 < count < _MOST_RECORDS:
            own = tr_id in OWN_NOTICES
            raise MalformedFrame(
                f"flag {flag[:8]!r}, TR {tr_id[:16]!r}, count {count_text[:8]!r}: not a feed of "
                "ours",
                # Without its count nobody can tell which columns are the person's.
                f"{flag[:8]}|{tr_id}|{count_text[:8]}|***" if own else frame,
                own_notice=own,
            )
        head = (Layout(tr_id, count, self._known[tr_id]), reader, flag == "1")
        if len(frame) - len(payload) == _HEAD:
            self._heads[frame[:_HEAD]] = head
        return head, payload

    def _open(
        self, tr_id: str, payload: str, frame: str, decrypt: Callable[[str, str], str] | None
    ) -> str:
        own = tr_id in OWN_NOTICES
        if decrypt is None:
            raise MalformedFrame(
                "the payload is encrypted and no key is known", frame, own_notice=own
            )
        try:
            return decrypt(tr_id, payload)
        except FrameError as error:
            error.own_notice = own
            raise

    def _failed(
        self, kind: type[FrameError], what: str, layout: Layout, payload: str, frame: str
    ) -> FrameError:
        layout.changed = None
        shown = self._shown(layout, payload, frame)
        return kind(what, shown, own_notice=layout.tr_id in OWN_NOTICES)

    def _shown(self, layout: Layout, payload: str, frame: str) -> str:
        """Return the frame's text for the record; notices opened, the person's data masked.

        Cipher text would be useless to whoever has to find the fault.
        """
        if layout.tr_id not in OWN_NOTICES:
            return frame
        text = masked(payload, layout.count, self._account)
        return f"0|{layout.tr_id}|{layout.count:03d}|{text}"

    def _report(
        self, layout: Layout, received: int, messages: tuple[FeedMessage, ...]
    ) -> tuple[FeedMessage, ...]:
        accepted = layout.accept()
        if accepted is None:
            return messages
        width, known = accepted
        changed = WidthChanged(
            at=received,
            feed=layout.tr_id,
            width=width,
            known=known,
            own_notices=layout.tr_id in OWN_NOTICES,
        )
        return changed, *messages


def _readers(kept: Kept, account: str) -> dict[str, Reader]:
    """Return who reads which TR."""
    readers: dict[str, Reader] = {
        "H0STNAV0": NavReader(kept),
        "H0UPCNT0": IndexReader(kept, expected=False),
        "H0UPANC0": IndexReader(kept, expected=True),
        "H0UPPGM0": ProgramReader(kept),
        # The after-hours single-price market, until 2026-09-13: nine levels, no session code.
        "H0STOUP0": TradeReader(kept, Venue.KRX, auctions_only=True),
        "H0STOAA0": BookReader(kept, Venue.KRX, levels=9, expected=43, auctions="D"),
        "H0STOAC0": ExpectedMatchReader(kept, Venue.KRX),
        NOTICES: NoticeReader(kept, account),
        PAPER_NOTICES: NoticeReader(kept, account),
    }
    for letters, venue in (("ST", Venue.KRX), ("NX", Venue.NXT), ("UN", Venue.UNIFIED)):
        readers |= {
            f"H0{letters}CNT0": TradeReader(kept, venue),
            f"H0{letters}ASP0": BookReader(kept, venue),
            f"H0{letters}ANC0": ExpectedMatchReader(kept, venue),
            f"H0{letters}PGM0": SymbolProgramReader(kept, venue),
            f"H0{letters}MKO0": OperationReader(kept, venue),
        }
    return readers
