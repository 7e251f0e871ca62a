"""The errors of the KIS edge.

GatewayError
├── InquiryFailed         a question to the broker got no complete answer
│   └── FieldMissing      a documented field is absent from an answer
├── SubscriptionRefused   the broker refused a real-time feed
├── AuthenticationFailed  no token or approval key could be had
├── FrameError            a WebSocket frame that cannot be decoded (carries the frame)
│   ├── MalformedFrame
│   ├── ShortFrame
│   └── DecryptionFailed
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


class AuthenticationFailed(GatewayError):
    """No token or approval key; check app key, secret and environment."""


class FrameError(GatewayError):
    """A frame that cannot be decoded; ``frame`` is its text."""

    def __init__(self, message: str, frame: str) -> None:
        super().__init__(message)
        self.frame = frame


class MalformedFrame(FrameError):
    """Not the shape ``<enc>|<tr>|<count>|<payload>`` or a field of the wrong type."""


class ShortFrame(FrameError):
    """Fewer columns than the feed has ever had."""


class DecryptionFailed(FrameError):
    """The payload does not decrypt with the key of this connection."""


class FieldMissing(InquiryFailed):
    """A documented field is absent."""

    def __init__(self, call: str, field: str) -> None:
        super().__init__(call, "FIELD_MISSING", f"the answer lacks the field {field}")
        self.field = field


class IllegalTransition(GatewayError):
    """An order event that does not fit the order's state."""

    def __init__(self, order_id: str, state: str, event: str) -> None:
        super().__init__(f"order {order_id} is {state}: {event} cannot follow")
        self.order_id = order_id


class SettingsError(GatewayError):
    """A contradictory or incomplete configuration; the message says which key."""
