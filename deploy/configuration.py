"""YAML files become the rooms' frozen settings, or an error that names file, key and remedy.

Each room owns the schema of its settings (a msgspec struct that forbids unknown fields and refuses
contradictions); this module only reads, converts and explains. What always holds: a key that no
schema knows, a key given twice and a value of the wrong type stop the start of a run; a secret is
never read from a file, and a value is never quoted in an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

import msgspec
import yaml

from deploy.errors import ConfigurationError

Settings = TypeVar("Settings", bound=msgspec.Struct)

SHIPPED: Final = Path(__file__).parent / "config"
"""The configuration that comes with kst; a run copies it and may be edited before it starts."""

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_PLACE: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_SECRET: Final = re.compile(
    r"secret|token|password|app_?key|account_?number|hts_?id", re.IGNORECASE
)

REDACTED: Final = "(redacted)"


def load(
    file: Path,
    schema: type[Settings],
    *,
    check: Callable[[Mapping[str, object]], Settings] | None = None,
    refusals: tuple[type[Exception], ...] = (),
) -> Settings:
    """Return the settings in a YAML file.

    ``check`` is the owning room's own loader, for what a schema cannot say; ``refusals`` are the
    errors by which the room refuses a combination of keys.

    Raises:
        ConfigurationError: no such file, not YAML, or a key that the room refuses.
    """
    content = _read(file)
    try:
        settings = msgspec.convert(content, schema)
        return settings if check is None else check(content)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, refusals):
            raise _refused(file, error.__cause__) from error
        raise _explain(file, schema, str(error)) from error
    except refusals as error:
        raise _refused(file, error) from error


def write(file: Path, settings: msgspec.Struct) -> None:
    """Write settings with every default spelled out; ``load`` gives back an equal object."""
    text = yaml.safe_dump(msgspec.to_builtins(settings), sort_keys=False, allow_unicode=True)
    file.write_text(text, encoding="utf-8")


def redacted(settings: msgspec.Struct) -> dict[str, object]:
    """Return settings as plain data for logs and events, values of secret-like keys hidden."""
    hidden = _hide(msgspec.to_builtins(settings))
    assert isinstance(hidden, dict)
    return hidden


def _hide(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: REDACTED if _SECRET.search(str(key)) else _hide(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hide(item) for item in value]
    return value


class _StrictLoader(yaml.SafeLoader):
    """YAML without the trap that the last of two equal keys silently wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise _DuplicateKey(f"{key}", line)
            seen.add(key)
        return super().construct_mapping(node, deep)


class _DuplicateKey(Exception):
    def __init__(self, key: str, line: int) -> None:
        super().__init__(key)
        self.key = key
        self.line = line


def _refused(file: Path, error: BaseException) -> ConfigurationError:
    """Return a room's refusal as ours; rooms that know key and remedy have them as attributes."""
    return ConfigurationError(
        file,
        getattr(error, "key", ""),
        getattr(error, "problem", str(error)),
        getattr(error, "remedy", "Change the key it names."),
    )


def _read(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            file, "", "the file cannot be read", f"Create it, or copy {SHIPPED / file.name}."
        ) from error
    try:
        content = yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader with one more check
    except _DuplicateKey as error:
        raise ConfigurationError(
            file, error.key, f"stands twice, again in line {error.line}", "Remove one of them."
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(
            file, "", f"it is not YAML{place}", "Correct the indentation or quoting there."
        ) from error
    if not isinstance(content, dict | None):
        raise ConfigurationError(
            file, "", "it holds no keys", "Write it as key: value lines, like the shipped file."
        )
    # An empty file is an empty mapping: every key at its default.
    return content or {}


def _explain(file: Path, schema: type[msgspec.Struct], message: str) -> ConfigurationError:
    match = _PLACE.search(message)
    path = match["path"] if match else ""
    problem = message[: match.start()] if match else message
    if unknown := _UNKNOWN.fullmatch(problem):
        return ConfigurationError(
            file,
            _join(path, unknown["field"]),
            "there is no such key",
            _suggestion(schema, path, unknown["field"]),
        )
    if missing := _MISSING.fullmatch(problem):
        return ConfigurationError(
            file, _join(path, missing["field"]), "the key is missing", "Add it; it has no default."
        )
    if problem.startswith("Expected "):
        return ConfigurationError(
            file, path, problem[0].lower() + problem[1:].replace("`", ""), "Correct its value."
        )
    return ConfigurationError(file, path, problem, "Change the keys so that they agree.")


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _suggestion(schema: type[msgspec.Struct], path: str, field: str) -> str:
    known = _keys_at(schema, path)
    if close := get_close_matches(field, known, n=1):
        return f"Did you mean {close[0]}?"
    return f"Remove it; known keys here: {', '.join(known)}." if known else "Remove it."


def _keys_at(schema: type[msgspec.Struct], path: str) -> list[str]:
    """Return the keys a schema knows at a dotted path such as ``limits.symbols[...]``."""
    here: object = schema
    for step in filter(None, re.split(r"[.\[]", path)):
        struct = _struct_in(here)
        if step.endswith("]"):
            continue
        if struct is None:
            return []
        here = {f.encode_name: f.type for f in msgspec.structs.fields(struct)}.get(step)
    struct = _struct_in(here)
    return [f.encode_name for f in msgspec.structs.fields(struct)] if struct is not None else []


def _struct_in(annotation: object) -> type[msgspec.Struct] | None:
    """Return the struct in ``X``, ``X[T]``, ``X | None``, ``tuple[X, ...]`` or ``dict[str, X]``."""
    for candidate in (annotation, get_origin(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    for argument in get_args(annotation):
        if (found := _struct_in(argument)) is not None:
            return found
    return None
