"""The errors of the KIS edge.

GatewayError
├── InquiryFailed         a question to the broker got no complete answer
│   ├── FieldMissing      a documented field is absent from an answer
│   ├── FieldUnreadable   a field of an answer holds what cannot be its value
│   └── NotOnPaper        paper accounts do not have this call; nothing was sent
├── SubscriptionRefused   the broker refused a real-time feed
│   └── FeedUnavailable   there is no such feed here; nothing was sent
├── AuthenticationFailed  no token or approval key could be had
├── AccountRefused        host, app key and account do not belong together
├── FrameError            a WebSocket frame that cannot be decoded (carries the frame)
│   ├── MalformedFrame
│   ├── ShortFrame
│   ├── FrameNotRead      a feed whose records no event type carries
│   └── DecryptionFailed
├── MasterFileError       a master file that cannot be had or read (carries its name)
│   ├── MasterUnavailable
│   ├── MasterRecordShort
│   └── MasterFieldUnreadable
├── IllegalTransition     an order event that does not fit the order's state
└── SettingsError         a contradictory or incomplete configuration
"""

from __future__ import annotations


class GatewayError(Exception):
    """Base of every error at the KIS edge."""


class InquiryFailed(GatewayError):
    """No complete answer; the caller knows nothing new and must not assume anything."""

    def __init__(self, call: str, code: str, message: str) -> None:
        super().__init__(f"{call} failed ({code}): {message}")
        self.call = call
        self.code = code


class SubscriptionRefused(GatewayError):
    """The broker refused a subscription."""

    def __init__(self, feed: str, key: str, code: str, message: str) -> None:
        super().__init__(f"subscription {feed} {key} refused ({code}): {message}")
        self.code = code


class FeedUnavailable(SubscriptionRefused):
    """There is no such feed in this environment or of this name; raised before anything is sent."""

    def __init__(self, feed: str, key: str, message: str) -> None:
        super().__init__(feed, key, "NO_SUCH_FEED", message)


class AuthenticationFailed(GatewayError):
    """No token or approval key; check app key, secret and environment."""


class AccountRefused(GatewayError):
    """Host, app key and account do not belong together; nothing may be traded with them."""

    def __init__(self, environment: str, host: str, code: str, advice: str) -> None:
        super().__init__(f"{environment} account refused by {host} ({code}): {advice}")
        self.code = code


class FrameError(GatewayError):
    """A frame that cannot be decoded; ``frame`` is its text.

    ``own_notice`` when it told of our own orders or fills.
    """

    def __init__(self, message: str, frame: str, *, own_notice: bool = False) -> None:
        super().__init__(message)
        self.frame = frame
        self.own_notice = own_notice


class MalformedFrame(FrameError):
    """Not the shape ``<enc>|<tr>|<count>|<payload>`` or a field of the wrong type."""


class ShortFrame(FrameError):
    """Fewer columns than the feed has ever had."""


class FrameNotRead(FrameError):
    """A frame of a known feed whose records no event type carries."""


class DecryptionFailed(FrameError):
    """The payload does not decrypt with the key of this connection."""


class MasterFileError(GatewayError):
    """A master file that cannot be had or read; ``file`` is its name."""

    def __init__(self, file: str, message: str) -> None:
        super().__init__(f"master file {file}: {message}")
        self.file = file


class MasterUnavailable(MasterFileError):
    """It cannot be downloaded, or what came is no archive of one file."""


class MasterRecordShort(MasterFileError):
    """A line that ends before its record does; ``offset`` is where."""

    def __init__(self, file: str, line: int, offset: int, wanted: int) -> None:
        super().__init__(
            file,
            f"line {line} ends at byte {offset}, its record has {wanted}: the layout has changed "
            "or the download was cut; compare it with the broker's documentation",
        )
        self.line = line
        self.offset = offset


class MasterFieldUnreadable(MasterFileError):
    """A field that holds what cannot be its value; ``offset`` is the byte within the record."""

    def __init__(self, file: str, line: int, offset: int, field: str, found: bytes) -> None:
        super().__init__(
            file,
            f"line {line}, byte {offset}: {field} holds {found!r}; compare the layout with the "
            "broker's documentation",
        )
        self.line = line
        self.offset = offset


class FieldMissing(InquiryFailed):
    """A documented field is absent."""

    def __init__(self, call: str, field: str) -> None:
        super().__init__(call, "FIELD_MISSING", f"the answer lacks the field {field}")
        self.field = field


class FieldUnreadable(InquiryFailed):
    """A field holds what cannot be its value."""

    def __init__(self, call: str, field: str, value: str, wanted: str) -> None:
        super().__init__(call, "MALFORMED", f"{field} is {value!r}, not {wanted}")
        self.field = field
        self.value = value


class NotOnPaper(InquiryFailed):
    """The paper service does not have this call; raised before anything is sent."""

    def __init__(self, call: str, instead: str) -> None:
        super().__init__(call, "NOT_ON_PAPER", f"paper accounts do not have it: {instead}")


class IllegalTransition(GatewayError):
    """An order event that does not fit the order's state."""

    def __init__(self, order_id: str, state: str, event: str) -> None:
        super().__init__(f"order {order_id} is {state}: {event} cannot follow")
        self.order_id = order_id


class SettingsError(GatewayError):
    """A contradictory or incomplete configuration; the message says which key."""
