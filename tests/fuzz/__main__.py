"""Coverage-guided fuzzing of all parsers with Atheris: ``just fuzz [SECONDS]``.

One process, one corpus: the first two bytes choose the target. Every finding is written to the
corpus folder by libFuzzer as ``crash-*`` and printed with its target; run it again with
``python -m tests.fuzz FILE``, which needs no Atheris.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

_PACKAGES = [
    "kis_gateway.client.answer",
    "kis_gateway.api",
    "kis_gateway.frames",
    "kis_gateway.client.charts",
    "kis_gateway.client.broker_rows",
    "kis_gateway.feeds.feed_control",
    "kis_gateway.client.rest",
    "kis_gateway.day.master_records",
    "kis_gateway.day.masters",
    "kis_gateway.client.crypto",
    "bus.raw_stream",
]


def main(arguments: list[str]) -> None:
    """Fuzz with libFuzzer's arguments, or run the files named."""
    files = [Path(argument) for argument in arguments[1:] if Path(argument).is_file()]
    if files:
        targets = importlib.import_module("tests.fuzz.targets")
        for file in files:
            _run(tuple(targets.targets()), file.read_bytes())
        return
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=_PACKAGES):
        targets = importlib.import_module("tests.fuzz.targets")
    every = tuple(targets.targets())
    _seed(every, Path(next(item for item in arguments[1:] if not item.startswith("-"))))
    atheris.Setup(arguments, lambda data: _run(every, data))
    atheris.Fuzz()


def _run(every: tuple[Any, ...], data: bytes) -> None:
    target = every[int.from_bytes(data[:2], "big") % len(every)]
    try:
        target.run(data[2:])
    except BaseException:
        sys.stderr.write(f"finding in {target.name}: {data[2:]!r}\n")
        raise


def _seed(every: tuple[Any, ...], corpus: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    for number, target in enumerate(every):
        for place, sample in enumerate(target.samples):
            name = corpus / f"sample-{number:03d}-{place}"
            name.write_bytes(number.to_bytes(2, "big") + sample)


if __name__ == "__main__":
    main(sys.argv)
