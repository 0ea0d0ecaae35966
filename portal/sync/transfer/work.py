"""What the transfer loop is given and what it hands back; the ledger stands behind ``Desk``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from portal.errors import SyncError
from portal.sync.archive.base import Stage
from portal.sync.sources.rows import SourceFile
from portal.sync.throttle.level import Report, Share


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file as the ledger says it is archived."""

    file_id: str
    storage_key: str | None
    size: int | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Recheck:
    """An archived document that is to be looked at again.

    Unless the source describes it anew, its files are read first: sound ones are enough where the
    source declares a digest of each, anything else is fetched. ``folders`` are the document's that
    the ledger names, earlier versions included.
    """

    files: tuple[ArchivedFile, ...]
    redescribed: bool
    declared: bool
    folders: frozenset[str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A document this worker holds the lease of, under the fencing token ``fence``.

    ``leftovers`` are folders that earlier claims may have published and never recorded.
    ``probe_of`` is the hold whose cause this one document is tried for; one that ``is_alone`` is
    moved with no other beside it, because workers died under it.
    """

    item_id: int
    document_id: int
    fence: int
    attempt: int
    folder: str
    files: tuple[SourceFile, ...]
    leftovers: tuple[str, ...] = ()
    probe_of: int | None = None
    is_alone: bool = False
    recheck: Recheck | None = None


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file as it was received, checked and written."""

    file_id: str
    storage_key: str
    size: int
    sha256: str
    kind: str
    pages: int | None
    width: int | None
    height: int | None
    dpi: int | None


@dataclass(frozen=True, slots=True)
class Result:
    """How a claimed document came out: its files, or the error and the file that had it.

    Neither means that the archived ones are sound. ``damage`` is the code with which they were
    found not to be.
    """

    claim: Claim
    files: tuple[StoredFile, ...] = ()
    stage: Stage | None = None
    error: SyncError | None = None
    failed_file_id: str | None = None
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """What the ledger wants of a running stint.

    ``stop``: the batch was paused, cancelled, given back or is held. ``give_way``: others wait
    for this worker.
    """

    stop: bool = False
    give_way: bool = False


class Desk(Protocol):
    """Where work comes from and results go; every method is one short transaction."""

    def claim(self, limit: int) -> list[Claim]:
        """Lease up to ``limit`` due documents; an empty list when there are none now."""

    def control(self) -> Control:
        """Hear what the ledger wants; reads only."""

    def renew(self, held: Sequence[Claim]) -> frozenset[int]:
        """Renew the leases of what is held; the ids of items that are no longer ours."""

    def settle(self, results: Sequence[Result]) -> list[Result]:
        """Record results of published or failed documents; those refused by fencing come back."""

    def release(self, claims: Sequence[Claim]) -> None:
        """Give back what was not tried; it does not count as an attempt."""

    def hold(self, cause: SyncError) -> None:
        """Let nothing more be claimed that ``cause`` would fail, until it is healed."""

    def exchange(self, report: Report) -> Share:
        """Tell what was seen of the source; this worker's share of its level."""
