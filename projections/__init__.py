"""Read models: tables and views in PostgreSQL, folded from the log and disposable.

Every row is a function of the log up to the checkpoint that commits with it. Drop everything,
``rebuild``, and the same rows stand there; a checksum proves it. Nothing decides by these tables.

    with database(data_directory, url=os.environ.get(URL_VARIABLE)) as dsn:
        await run_projector(log=log, dsn=dsn, account=account, stop=stop)
"""

from projections.checksum import row_checksum
from projections.errors import (
    CheckpointMoved,
    DatabaseStartFailed,
    DatabaseUnreachable,
    DataDirectoryVersion,
    ProjectionError,
    SchemaMismatch,
)
from projections.fold import TOPICS
from projections.postgres import URL_VARIABLE, EmbeddedPostgres, database, require_reachable
from projections.projector import Projector, run_projector
from projections.read_model import ReadModel
from projections.rebuild import RebuildReport, rebuild
from projections.schema import LIVE_SCHEMA, SCHEMA_VERSION, connect, require_schema
from projections.summary import DaySummary, StrategyResult, summarize

__all__ = [
    "LIVE_SCHEMA",
    "SCHEMA_VERSION",
    "TOPICS",
    "URL_VARIABLE",
    "CheckpointMoved",
    "DataDirectoryVersion",
    "DatabaseStartFailed",
    "DatabaseUnreachable",
    "DaySummary",
    "EmbeddedPostgres",
    "ProjectionError",
    "Projector",
    "ReadModel",
    "RebuildReport",
    "SchemaMismatch",
    "StrategyResult",
    "connect",
    "database",
    "rebuild",
    "require_reachable",
    "require_schema",
    "row_checksum",
    "run_projector",
    "summarize",
]
