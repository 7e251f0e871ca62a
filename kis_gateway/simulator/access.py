"""Who may call: app keys, access tokens and WebSocket approval keys.

Rules of the KIS Open API: a token lives 24 hours; asking within six hours of its issue returns the
same one; asking twice within a minute is refused with HTTP 403 and leaves the old token valid; an
approval key lives 24 hours. Instants are nanoseconds UTC of the run's clock, passed in.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from events.calendar import kst
from kis_gateway.errors import SettingsError
from kis_gateway.simulator.calls.answers import oauth_refused, refused
from kis_gateway.simulator.settings import Credentials, SimulatorSettings

_SECOND: Final = 1_000_000_000
_LIFETIME_SECONDS: Final = 86_400
_LIFETIME: Final = _LIFETIME_SECONDS * _SECOND
_KEY_LENGTH: Final = 36
_SECRET_LENGTH: Final = 180
_REUSED_FOR: Final = 6 * 3_600 * _SECOND


class _Token(NamedTuple):
    text: str
    issued_at: int
    expires_at: int


class Access:
    """The app keys of a simulator and what was issued for them."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._by_key = {held.app_key: held for held in settings.credentials}
        self._check_lengths = settings.check_key_lengths
        self._interval = round(settings.token_interval_seconds * _SECOND)
        self._latest: dict[str, _Token] = {}
        self._answered_at: dict[str, int] = {}
        self._tokens: dict[str, tuple[str, int]] = {}
        self._approvals: dict[str, tuple[str, int]] = {}
        self._approved_at: dict[str, int] = {}

    def holders(self, account: str = "") -> list[Credentials]:
        """Return the credentials of an account, or all."""
        return [held for held in self._by_key.values() if account in ("", held.account)]

    def add(self, held: Credentials) -> None:
        """Let another app key log in.

        Raises:
            SettingsError: the app key is taken.
        """
        if held.app_key in self._by_key:
            raise SettingsError("the app_key is taken; every account has its own")
        self._by_key[held.app_key] = held

    def revoke_tokens(self, account: str = "") -> None:
        """Forget the access tokens of an account, or all: they are refused with EGW00121."""
        keys = {held.app_key for held in self.holders(account)}
        self._tokens = {text: each for text, each in self._tokens.items() if each[0] not in keys}
        self._renew_for(keys)

    def expire_tokens(self, account: str = "") -> None:
        """Let the access tokens of an account, or all, expire: refused with EGW00123."""
        keys = {held.app_key for held in self.holders(account)}
        for text, (owner, _) in self._tokens.items():
            if owner in keys:
                self._tokens[text] = (owner, 0)
        self._renew_for(keys)

    def forget_approvals(self, account: str = "") -> None:
        """Forget the WebSocket approval keys of an account, or all."""
        keys = {held.app_key for held in self.holders(account)}
        self._approvals = {
            text: each for text, each in self._approvals.items() if each[0] not in keys
        }

    def _renew_for(self, keys: set[str]) -> None:
        # Otherwise the dead token would be handed out again within its six hours.
        for key in keys:
            self._latest.pop(key, None)

    def issue_token(self, app_key: str, secret: str, now: int) -> dict[str, object]:
        """Return the body of a token answer.

        Raises:
            CallRefused: wrong key or secret, or asked again within the interval (EGW00133).
        """
        self._require_pair(app_key, secret)
        answered = self._answered_at.get(app_key)
        if answered is not None and now - answered < self._interval:
            raise oauth_refused("EGW00133", "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)")
        self._answered_at[app_key] = now
        token = self._latest.get(app_key)
        if token is None or now - token.issued_at >= _REUSED_FOR:
            token = _Token(_opaque(secret, "token", now), now, now + _LIFETIME)
            self._latest[app_key] = token
            self._tokens[token.text] = (app_key, token.expires_at)
        return {
            "access_token": token.text,
            "access_token_token_expired": f"{kst(token.expires_at):%Y-%m-%d %H:%M:%S}",
            "token_type": "Bearer",
            "expires_in": _LIFETIME_SECONDS,
        }

    def revoke_token(self, app_key: str, secret: str, token: str) -> dict[str, object]:
        """Forget a token and return the body of the answer.

        Raises:
            CallRefused: wrong key or secret, or not a token of this key.
        """
        self._require_pair(app_key, secret)
        if self._tokens.get(token, ("", 0))[0] != app_key:
            raise oauth_refused("EGW00121", "유효하지 않은 token 입니다.")
        del self._tokens[token]
        if self._latest.get(app_key, _Token("", 0, 0)).text == token:
            del self._latest[app_key]
        return {"code": 200, "message": "접근토큰 폐기에 성공하였습니다"}

    def approve(self, app_key: str, secret: str, now: int) -> dict[str, object]:
        """Return the body with a WebSocket approval key; an older one stays valid.

        Raises:
            CallRefused: wrong key or secret, or a second request within a second (EGW00201 in the
                gateway's envelope with HTTP 500: the refusal is the gateway's, and clients that
                fetch a key for every registration wait and ask again on it).
        """
        self._require_pair(app_key, secret)
        previous = self._approved_at.get(app_key)
        if previous is not None and now - previous < _SECOND:
            raise refused("EGW00201")
        self._approved_at[app_key] = now
        text = hashlib.sha256(f"{secret}|approval|{now}".encode()).hexdigest()
        parts = (text[:8], text[8:12], text[12:16], text[16:20], text[20:32])
        approval = "-".join(parts)
        self._approvals[approval] = (app_key, now + _LIFETIME)
        return {"approval_key": approval}

    def authenticate(self, headers: Mapping[str, str], now: int) -> Credentials:
        """Return the credentials that a call's headers prove.

        Raises:
            CallRefused: app key, secret or token is missing, wrong or expired (HTTP 500).
        """
        held = self._require_headers(headers)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise refused("EGW00205")
        owner, expires_at = self._tokens.get(token.strip(), ("", 0))
        if owner != held.app_key:
            raise refused("EGW00121")
        if now >= expires_at:
            raise refused("EGW00123")
        return held

    def approved(self, approval_key: str, now: int) -> Credentials | None:
        """Return whose approval key this is; ``None`` when unknown or expired."""
        owner, expires_at = self._approvals.get(approval_key, ("", 0))
        return self._by_key[owner] if owner and now < expires_at else None

    def require_app_key(self, headers: Mapping[str, str]) -> Credentials:
        """Return the credentials of a call that needs no token.

        Raises:
            CallRefused: app key or secret is missing or wrong.
        """
        return self._require_headers(headers)

    def _require_headers(self, headers: Mapping[str, str]) -> Credentials:
        app_key, secret = headers.get("appkey", ""), headers.get("appsecret", "")
        if not app_key:
            raise refused("EGW00102")
        held = self._by_key.get(app_key)
        if held is None:
            raise refused("EGW00103")
        if not secret:
            raise refused("EGW00104")
        if secret != held.app_secret:
            raise refused("EGW00105")
        return held

    def _require_pair(self, app_key: str, secret: str) -> None:
        held = self._by_key.get(app_key)
        if held is None or (self._check_lengths and len(app_key) != _KEY_LENGTH):
            raise oauth_refused("EGW00103", "유효하지 않은 AppKey입니다.")
        if secret != held.app_secret or (self._check_lengths and len(secret) != _SECRET_LENGTH):
            raise oauth_refused("EGW00105", "유효하지 않은 AppSecret입니다.")


def _opaque(secret: str, purpose: str, now: int) -> str:
    # Three dot-separated parts of base64url and about 280 characters, like the service's tokens.
    digest = b"".join(
        hashlib.sha512(f"{secret}|{purpose}|{now}|{part}".encode()).digest() for part in range(3)
    )
    text = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return f"{text[:36]}.{text[36:170]}.{text[170:]}"
