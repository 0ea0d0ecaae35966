"""The ledger's tables, one module per thing."""

from portal.models.audit import AuditCheck, AuditEvent, AuditSeal
from portal.models.base import Base, table_of, utc_now
from portal.models.batch import Batch, BatchNumber
from portal.models.chore import Chore, Clerk
from portal.models.counts import Counts
from portal.models.document import Document, File
from portal.models.hold import FailureStreak, Hold
from portal.models.item import BatchItem
from portal.models.job import JobBatch
from portal.models.level import SourceLevel
from portal.models.notice import Notice, NoticeChannel
from portal.models.overlap import Overlap
from portal.models.preflight import Preflight, PreflightReport, PreflightTick
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
    "AuditCheck",
    "AuditEvent",
    "AuditSeal",
    "Base",
    "Batch",
    "BatchItem",
    "BatchNumber",
    "Chore",
    "Clerk",
    "Counts",
    "DataSource",
    "Document",
    "DocumentVersion",
    "FailureStreak",
    "File",
    "Hold",
    "JobBatch",
    "Notice",
    "NoticeChannel",
    "Overlap",
    "Preflight",
    "PreflightReport",
    "PreflightTick",
    "Role",
    "Slice",
    "SourceLevel",
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
