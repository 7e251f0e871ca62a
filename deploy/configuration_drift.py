"""Where the settings in a run's files differ from those its log was decided under."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import msgspec


class ConfigurationDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: its path (``kmp.min_surge_base``), the logged value and that of the file.

    ``sequence`` is that of the session's opening, which carries the logged value. ``None`` stands
    for a key that only the other side has.
    """

    sequence: int
    kind: str
    key: str
    logged: object
    file: object


def drifts(
    logged: Mapping[str, str], files: Mapping[str, str], sequence: int
) -> list[ConfigurationDrift]:
    """Return every setting that differs, ordered by key; both sides are JSON texts by service."""
    found: list[ConfigurationDrift] = []
    for service in sorted({*logged, *files}):
        mine = dict(_flat(service, json.loads(logged.get(service, "null"))))
        theirs = dict(_flat(service, json.loads(files.get(service, "null"))))
        found += [
            ConfigurationDrift(
                sequence=sequence,
                kind="configuration",
                key=key,
                logged=mine.get(key),
                file=theirs.get(key),
            )
            for key in sorted({*mine, *theirs})
            if mine.get(key) != theirs.get(key)
        ]
    return found


def _flat(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}", inner)
    else:
        yield prefix, value
