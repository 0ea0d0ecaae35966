"""The ledger's tables, one module per thing."""

from portal.models.audit import AuditEvent
from portal.models.base import Base, table_of, utc_now
from portal.models.batch import Batch, BatchNumber
from portal.models.counts import Counts
from portal.models.document import Document, File
from portal.models.item import BatchItem
from portal.models.job import JobBatch
from portal.models.overlap import Overlap
from portal.models.slice import Slice
from portal.models.source import DataSource
from portal.models.user import Role, User
from portal.models.verification import (
    Verification,
    VerificationFinding,
    VerificationKind,
    VerificationState,
    VerificationStep,
)
from portal.models.version import DocumentVersion, VersionFile
from portal.models.worker import Worker

__all__ = [
    "AuditEvent",
    "Base",
    "Batch",
    "BatchItem",
    "BatchNumber",
    "Counts",
    "DataSource",
    "Document",
    "DocumentVersion",
    "File",
    "JobBatch",
    "Overlap",
    "Role",
    "Slice",
    "User",
    "Verification",
    "VerificationFinding",
    "VerificationKind",
    "VerificationState",
    "VerificationStep",
    "VersionFile",
    "Worker",
    "table_of",
    "utc_now",
]
