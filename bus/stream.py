"""The definition of an account's stream, as code: created once, compared ever after.

A server that is too old accepts the safety settings and ignores them. Therefore the version is
checked and the settings are read back after creation, and anything amiss refuses to go on.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from nats.aio.client import Client
from nats.errors import Error as NatsError

from bus.errors import LogUnavailable, NoAnswer, ServerTooOld, StreamMismatch
from events import AccountId, subjects
from events.identifiers import require_token

MINIMUM_SERVER: Final = (2, 14, 5)
"""First release with atomic batches whose known faults are mended."""

_SECOND: Final = 1_000_000_000
_RETENTION_DAYS: Final = 45
_DUPLICATE_WINDOW_SECONDS: Final = 600
_API_TIMEOUT: Final = 10.0
_INFO_TIMEOUTS: Final = (1.0, 3.0, 6.0)
"""Wall seconds. A server that restarts loses questions; one that changes nothing is repeated."""
_STREAM_NOT_FOUND: Final = 10059

_decoder: Final = msgspec.json.Decoder(dict[str, Any])


def stream_name(account: AccountId) -> str:
    """Return the stream that holds an account's log."""
    return f"LOG_{require_token('account', account).upper()}"


def definition(account: AccountId) -> dict[str, Any]:
    """Return the settings of an account's stream.

    Everything is kept for 45 days and nothing inside may be deleted; what is older lives in the
    archive. ``discard: new`` refuses appends on a full disk rather than lose the oldest events.
    """
    return {
        "name": stream_name(account),
        "subjects": [subjects.pattern(account, ">")],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": 1,
        "max_age": _RETENTION_DAYS * 86_400 * _SECOND,
        "duplicate_window": _DUPLICATE_WINDOW_SECONDS * _SECOND,
        "deny_delete": True,
        "deny_purge": True,
        "allow_atomic": True,
        "allow_direct": False,
        "compression": "none",
    }


async def ensure_stream(client: Client, account: AccountId, *, create: bool) -> dict[str, Any]:
    """Return the stream's description, after creating it if allowed and needed.

    Raises:
        ServerTooOld: the server lacks atomic batches.
        StreamMismatch: it exists with other settings; nothing is changed.
        LogUnavailable: it does not exist and may not be created, or the server does not answer.
    """
    require_version(str(client._server_info.get("version", "0")))
    wanted = definition(account)
    name = wanted["name"]
    found = await api(client, f"STREAM.INFO.{name}")
    if (error := found.get("error")) is not None:
        if error.get("err_code") != _STREAM_NOT_FOUND:
            raise LogUnavailable(
                f"stream {name}: {error.get('description')}", "see nats-server.log"
            )
        if not create:
            raise LogUnavailable(
                f"this server holds no log of account {account!r}",
                "check the account name and the data directory",
            )
        found = await api(client, f"STREAM.CREATE.{name}", wanted)
        if (error := found.get("error")) is not None:
            raise LogUnavailable(
                f"stream {name} could not be created: {error.get('description')}",
                "see nats-server.log",
            )
    _require_equal(wanted, found["config"])
    return found


def require_version(version: str) -> None:
    """Check a server version such as ``2.15.1``.

    Raises:
        ServerTooOld: it is older than ``MINIMUM_SERVER``.
    """
    numbers = tuple(
        int(part) for part in version.split("-", maxsplit=1)[0].split(".") if part.isdecimal()
    )
    if numbers < MINIMUM_SERVER:
        raise ServerTooOld(version, ".".join(map(str, MINIMUM_SERVER)))


def _require_equal(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    differences = [
        f"{key} is {found.get(key)!r} instead of {value!r}"
        for key, value in wanted.items()
        # The server leaves out settings that are false.
        if found.get(key, False) != value
    ]
    if differences:
        raise StreamMismatch(wanted["name"], differences)


async def api(client: Client, call: str, body: object = None) -> dict[str, Any]:
    """Return the answer of a JetStream API call, errors included.

    Raises:
        NoAnswer: no answer within ten seconds.
    """
    payload = b"" if body is None else msgspec.json.encode(body)
    waits = _INFO_TIMEOUTS if ".INFO." in call else (_API_TIMEOUT,)
    missed: Exception | None = None
    for wait in waits:
        try:
            reply = await client.request(f"$JS.API.{call}", payload, timeout=wait)
        except (NatsError, OSError) as error:
            missed = error
        else:
            return _decoder.decode(reply.data)
    raise NoAnswer(
        f"no answer to {call}", "check that nats-server is running with JetStream enabled"
    ) from missed
