"""The errors of the read models.

ProjectionError
├── DatabaseUnreachable        no PostgreSQL answers
├── DataDirectoryVersion       the data directory was made by another PostgreSQL version
├── DatabaseStartFailed        the embedded PostgreSQL did not start
├── SchemaMismatch             the tables are of another version of this code
└── CheckpointMoved            somebody else folded this account meanwhile
"""

from __future__ import annotations

from pathlib import Path


class ProjectionError(Exception):
    """Base of every error raised by the read models."""


class DatabaseUnreachable(ProjectionError):
    """No PostgreSQL answers at the address; the log is unharmed and nothing is lost."""

    def __init__(self, address: str, detail: str) -> None:
        super().__init__(
            f"PostgreSQL at {address} cannot be reached: {detail}. Start it, correct "
            "KST_DATABASE_URL, or unset KST_DATABASE_URL to use the embedded one"
        )
        self.address = address


class DataDirectoryVersion(ProjectionError):
    """The data directory belongs to another major version of PostgreSQL."""

    def __init__(self, directory: Path, found: int, expected: int) -> None:
        super().__init__(
            f"{directory} was made by PostgreSQL {found}, this installation has {expected}: "
            f"delete {directory} and run `kst rebuild` (the rows are derived from the log)"
        )
        self.directory = directory
        self.found = found
        self.expected = expected


class DatabaseStartFailed(ProjectionError):
    """The embedded PostgreSQL did not start."""

    def __init__(self, directory: Path, detail: str) -> None:
        super().__init__(
            f"the embedded PostgreSQL in {directory} did not start: {detail}. Look at "
            f"{directory / 'log'}; make sure the folder is writable and its disk not full, or set "
            "KST_DATABASE_URL to a server of your own"
        )
        self.directory = directory


class SchemaMismatch(ProjectionError):
    """The tables were made by another version of this code, or by somebody else."""

    def __init__(self, schema: str, found: str | None, expected: str) -> None:
        super().__init__(
            f"schema {schema!r} has version {found or 'none'}, this code needs {expected}: "
            "run `kst rebuild` (the rows are derived from the log, nothing is lost)"
        )
        self.schema = schema
        self.found = found
        self.expected = expected


class CheckpointMoved(ProjectionError):
    """The checkpoint is not where this projector left it: another one, or a rebuild, wrote it."""

    def __init__(self, account: str, expected: int) -> None:
        super().__init__(
            f"the checkpoint of account {account!r} is no longer at sequence {expected}: another "
            "projector or a rebuild moved it; nothing was written, run one projector per account"
        )
        self.account = account
        self.expected = expected
