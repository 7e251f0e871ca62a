"""Which code a run was made with: the package version and a fingerprint of the source.

Two checkouts with one version number can differ; a decision derived with other code than the day's
may differ too, and then the fingerprint says why.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

_ROOMS: Final = (
    "bus", "deploy", "events", "kis_gateway", "pipelines", "projections", "research", "risk",
    "strategies",
)  # fmt: skip


@cache
def code_version() -> str:
    """Return ``<version>+<12 hex digits of the hash over the source files of all rooms>``."""
    root = Path(__file__).resolve().parent.parent
    digest = sha256()
    for room in _ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\0".encode())
            digest.update(file.read_bytes())
    return f"{version('k-stock-trader')}+{digest.hexdigest()[:12]}"
