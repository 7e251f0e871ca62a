"""The second wall around secrets: what is logged is searched for every one the process has had.

The first wall is that secrets have no printable form. This one catches what goes round it: a text
of KIS or of a library that repeats a header, an account number inside an exception. It works on the
finished line, so nothing that a line is made of escapes it: names, values, tracebacks.

What always holds: a secret of six characters or more leaves the process in no log line. Shorter
texts are no secrets that replacing could protect, and would make lines unreadable.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from kis_gateway.settings import (
    ACCOUNT_VARIABLE,
    APP_KEY_VARIABLE,
    APP_SECRET_VARIABLE,
    HTS_ID_VARIABLE,
    Secret,
)

REPLACEMENT: Final = "***"
_SHORTEST: Final = 6
_ACCOUNT_DIGITS: Final = 8
_ACCOUNT_WITH_PRODUCT: Final = 10


def forms(secret: str) -> tuple[str, ...]:
    """Return the texts in which a secret shows itself.

    An account of ten digits is also written with a dash, and its first eight digits alone name it.
    """
    if len(secret) == _ACCOUNT_WITH_PRODUCT and secret.isascii() and secret.isdecimal():
        number, product = secret[:_ACCOUNT_DIGITS], secret[_ACCOUNT_DIGITS:]
        return secret, f"{number}-{product}", number
    return (secret,)


class Redaction:
    """Replaces secrets in texts: a structlog processor that stands after the renderer.

    ``secrets`` is looked at on each use; by default it is all that the process knows.
    """

    def __init__(self, secrets: Iterable[str] = Secret.known) -> None:
        self._secrets = secrets
        self._seen: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def text(self, text: str) -> str:
        """Return ``text`` with every known secret replaced."""
        secrets = frozenset(self._secrets)
        if secrets != self._seen:
            self._seen = secrets
            self._pattern = _pattern(secrets)
        return text if self._pattern is None else self._pattern.sub(REPLACEMENT, text)

    def __call__(self, _logger: object, _method: str, rendered: Any) -> Any:
        """Return a rendered line, text or UTF-8 bytes, without secrets."""
        if isinstance(rendered, bytes):
            return self.text(rendered.decode()).encode()
        return self.text(rendered)


class RedactingFilter(logging.Filter):
    """Keeps secrets out of what standard handlers print, tracebacks included."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, its message replaced where it holds a secret."""
        record.msg, record.args = self._redaction.text(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = self._redaction.text(
                logging.Formatter().formatException(record.exc_info)
            )
            record.exc_info = None
        return True


def guard_logs(variables: Mapping[str, str]) -> None:
    """Keep secrets out of all that this process logs from now on.

    ``variables`` is where the credentials come from; those of processes that never make a
    ``Secret`` of them are known as well then.
    """
    for name in (APP_KEY_VARIABLE, APP_SECRET_VARIABLE, ACCOUNT_VARIABLE, HTS_ID_VARIABLE):
        Secret(
            variables.get(name, "").replace("-", "")
            if name == ACCOUNT_VARIABLE
            else variables.get(name, "")
        )
    redaction = Redaction()
    processors = structlog.get_config()["processors"]
    if not any(isinstance(each, Redaction) for each in processors):
        # In place: loggers that are bound already share this list.
        processors.append(redaction)
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, RedactingFilter) for each in handler.filters):
            handler.addFilter(RedactingFilter(redaction))


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    texts = {form for secret in secrets if len(secret) >= _SHORTEST for form in forms(secret)}
    # The longest first, so that no rest of one stays behind another.
    ordered = sorted(texts, key=lambda each: (-len(each), each))
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None
