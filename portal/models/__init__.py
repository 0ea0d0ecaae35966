"""The ledger's tables, one module per thing."""

from portal.models.audit import AuditCheck, AuditEvent, AuditSeal
from portal.models.backup import Backup
from portal.models.base import Base, table_of, utc_now
from portal.models.batch import Batch, BatchNumber
from portal.models.catalogue import SourceCatalogue
from portal.models.chore import Chore, Clerk
from portal.models.commit import LedgerCommit
from portal.models.counts import Counts
from portal.models.document import Document, File
from portal.models.duty import Duty
from portal.models.export import Export
from portal.models.failure import FailureCount
from portal.models.hold import FailureStreak, Hold
from portal.models.installation import Installation
from portal.models.item import BatchItem
from portal.models.job import JobBatch
from portal.models.level import SourceLevel
from portal.models.login import Login, LoginWait
from portal.models.notice import Notice, NoticeChannel
from portal.models.overlap import Overlap
from portal.models.preflight import Preflight, PreflightReport, PreflightTick
from portal.models.priority import Priority
from portal.models.process import ProcessBeat
from portal.models.push import Push, PushedFile
from portal.models.reconciliation import (
    Balance,
    CheckedMonth,
    Part,
    Reconciliation,
    ReconciliationCell,
    ReconciliationFinding,
    ReconciliationMonth,
    ReconciliationState,
    Sums,
)
from portal.models.retired_seal_key import RetiredSealKey
from portal.models.run import BatchRun, RunOutcome
from portal.models.sample import Sample, SampleDocument, SampleState, Verdict
from portal.models.scan import Scan, ScanCause
from portal.models.schema import SchemaFloor
from portal.models.slice import Slice
from portal.models.source import DataSource
from portal.models.target import PushTarget
from portal.models.throughput import Throughput
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
    "Backup",
    "Balance",
    "Base",
    "Batch",
    "BatchItem",
    "BatchNumber",
    "BatchRun",
    "CheckedMonth",
    "Chore",
    "Clerk",
    "Counts",
    "DataSource",
    "Document",
    "DocumentVersion",
    "Duty",
    "Export",
    "FailureCount",
    "FailureStreak",
    "File",
    "Hold",
    "Installation",
    "JobBatch",
    "LedgerCommit",
    "Login",
    "LoginWait",
    "Notice",
    "NoticeChannel",
    "Overlap",
    "Part",
    "Preflight",
    "PreflightReport",
    "PreflightTick",
    "Priority",
    "ProcessBeat",
    "Push",
    "PushTarget",
    "PushedFile",
    "Reconciliation",
    "ReconciliationCell",
    "ReconciliationFinding",
    "ReconciliationMonth",
    "ReconciliationState",
    "RetiredSealKey",
    "Role",
    "RunOutcome",
    "Sample",
    "SampleDocument",
    "SampleState",
    "Scan",
    "ScanCause",
    "SchemaFloor",
    "Slice",
    "SourceCatalogue",
    "SourceLevel",
    "Sums",
    "Throughput",
    "User",
    "Verdict",
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
