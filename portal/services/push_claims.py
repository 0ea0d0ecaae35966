"""Claims on pushes: what is due is leased, with all that is needed to push it.

A claim is in force until its lease ends and somebody else takes the document, which raises its
fence: what an outdated claim brings is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal.models import DataSource, Document, File, Push, PushedFile, PushTarget
from portal.statuses import PushStatus
from portal.sync.lookup import at
from portal.sync.targets.base import Collected, PushDocument, PushFile

LEASE_SECONDS = 60
LEASE = timedelta(seconds=LEASE_SECONDS)
_TAX_NO = "taxNo"


class PushLost(Exception):
    """The claim is no longer in force: its lease ran out and somebody else took the document."""


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file to be pushed; ``collected`` is how the target calls it, if it has taken it already."""

    file_id: str
    storage_key: str
    sha256: str
    facts: PushFile
    collected: Collected | None


@dataclass(frozen=True, slots=True)
class PushClaim:
    """A document that this process may push until its lease ends.

    ``document`` is None when the target's settings leave it without a bill id. ``taken_by`` is the
    data source whose document has its number at the target, if another's has. ``is_probe``: it is
    tried to see whether the target serves again.
    """

    push_id: int
    target_id: int
    document_id: int
    batch_id: int
    fence: int
    owner: str
    status: PushStatus
    attempt: int
    image_no: str
    resource: str
    document: PushDocument | None
    files: tuple[ArchivedFile, ...] = field(default=())
    taken_by: str | None = None
    is_probe: bool = False


def is_due(session: Session, target: PushTarget, *, now: datetime) -> bool:
    """Whether a claim would find anything: a look that takes no locks."""
    if target.hold_code is not None and target.probe_at is not None and target.probe_at > now:
        return False
    for status in (PushStatus.PUSHED, PushStatus.WAITING):
        due = select(Push.id).where(
            Push.target_id == target.id, Push.status == status, Push.next_try_at <= now
        )
        if session.scalar(due.limit(1)) is not None:
            return True
    return False


def claim(
    session: Session, target_id: int, *, owner: str, limit: int, now: datetime
) -> list[PushClaim]:
    """Lease what is due at a target, what is pushed and to be confirmed first.

    A target that is held gives one document to try when that is due, and else none.
    """
    target = session.get(PushTarget, target_id, with_for_update=True)
    if target is None or not target.enabled or limit < 1:
        return []
    is_probe = target.hold_code is not None
    if is_probe:
        if target.probe_at is not None and target.probe_at > now:
            return []
        target.probe_at, limit = now + LEASE, 1
    taken: list[Push] = []
    for status in (PushStatus.PUSHED, PushStatus.WAITING):
        if len(taken) < limit:
            query = (
                select(Push)
                .where(Push.target_id == target_id, Push.status == status, Push.next_try_at <= now)
                .order_by(Push.next_try_at, Push.id)
                .limit(limit - len(taken))
                .with_for_update(skip_locked=True)
            )
            taken += session.scalars(query)
    for push in taken:
        push.lease_owner, push.next_try_at = owner, now + LEASE
        push.fence += 1
    session.flush()
    return [_claim(session, target, push, owner, is_probe=is_probe) for push in taken]


def _claim(
    session: Session, target: PushTarget, push: Push, owner: str, *, is_probe: bool
) -> PushClaim:
    document = session.get_one(Document, push.document_id)
    files: tuple[ArchivedFile, ...] = ()
    if push.status is PushStatus.WAITING:
        if push.folder != document.folder:
            forget_files(session, [push.id])
            push.folder = document.folder
        files = _files(session, push)
    return PushClaim(
        push_id=push.id,
        target_id=target.id,
        document_id=document.id,
        batch_id=push.batch_id,
        fence=push.fence,
        owner=owner,
        status=push.status,
        attempt=push.attempts + 1,
        image_no=document.image_no,
        resource=target.resource_of(document.resource),
        document=_described(document, target),
        files=files,
        taken_by=_taken_by(session, push, document),
        is_probe=is_probe,
    )


def _taken_by(session: Session, push: Push, document: Document) -> str | None:
    """The data source that was first with this number: a target does not tell sources apart."""
    query = (
        select(DataSource.name)
        .join(Document, Document.data_source_id == DataSource.id)
        .join(Push, Push.document_id == Document.id)
        .where(
            Document.image_no == document.image_no,
            Document.resource == document.resource,
            Document.id != document.id,
            Push.target_id == push.target_id,
            Push.id < push.id,
        )
    )
    return session.scalar(query.limit(1))


def _described(document: Document, target: PushTarget) -> PushDocument | None:
    own = {"bill_no": document.bill_no, "image_no": document.image_no}
    bill_id = own.get(target.bill_id_field)
    if bill_id is None:
        bill_id = _text(at(document.source_metadata, target.bill_id_field))
    if not bill_id:
        return None
    return PushDocument(
        image_no=document.image_no,
        resource=target.resource_of(document.resource),
        bill_id=bill_id,
        bill_type_code=document.bill_type_code,
        bill_type_name=document.bill_type_name,
        bill_no=document.bill_no,
        org_code=document.org_code,
        org_name=document.org_name,
        applicant=document.applicant,
        tax_no=_text(at(document.source_metadata, _TAX_NO)),
    )


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _files(session: Session, push: Push) -> tuple[ArchivedFile, ...]:
    known = {
        one.file_id: one
        for one in session.scalars(select(PushedFile).where(PushedFile.push_id == push.id))
    }
    query = select(File).where(File.document_id == push.document_id).order_by(File.seq, File.id)
    return tuple(_file(file, known.get(file.file_id)) for file in session.scalars(query))


def _file(file: File, known: PushedFile | None) -> ArchivedFile:
    is_same = known is not None and known.sha256 == file.sha256
    return ArchivedFile(
        file_id=file.file_id,
        storage_key=file.storage_key or "",
        sha256=file.sha256 or "",
        facts=PushFile(
            name=file.name,
            suffix=file.suffix.strip().lstrip(".").lower() or (file.kind or ""),
            category=file.category,
            size=file.size or 0,
        ),
        collected=Collected(known.file_no, known.src_path) if known and is_same else None,
    )


def renew(session: Session, held: Sequence[PushClaim], *, now: datetime) -> frozenset[int]:
    """Renew leases; the ids of pushes that are no longer the owner's."""
    ours = [one.push_id for one in held if locked(session, one) is not None]
    session.execute(
        update(Push)
        .where(Push.id.in_(ours))
        .values(next_try_at=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    return frozenset(one.push_id for one in held) - frozenset(ours)


def require_ours(session: Session, held: PushClaim) -> None:
    """See that the claim is in force.

    :raises PushLost: when it is not
    """
    row = session.execute(
        select(Push.fence, Push.lease_owner).where(Push.id == held.push_id)
    ).one_or_none()
    if row is None or (row.fence, row.lease_owner) != (held.fence, held.owner):
        raise PushLost


def free_owner(session: Session, owner: str, *, now: datetime) -> None:
    """Free what an earlier life of this pusher held."""
    session.execute(
        update(Push)
        .where(
            Push.lease_owner == owner,
            Push.status.in_((PushStatus.WAITING, PushStatus.PUSHED)),
        )
        .values(lease_owner=None, next_try_at=now)
        .execution_options(synchronize_session=False)
    )


def locked(session: Session, held: PushClaim) -> Push | None:
    """The push, locked; None when the claim is no longer in force."""
    query = (
        select(Push)
        .where(Push.id == held.push_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    push = session.scalar(query)
    is_ours = push is not None and (push.fence, push.lease_owner) == (held.fence, held.owner)
    return push if is_ours else None


def ours(session: Session, held: PushClaim) -> Push:
    """The push, locked.

    :raises PushLost: when the claim is no longer in force
    """
    push = locked(session, held)
    if push is None:
        raise PushLost
    return push


def forget_files(session: Session, push_ids: Collection[int]) -> None:
    """Forget what the target calls the files of some pushes: they are handed over anew."""
    if push_ids:
        session.execute(delete(PushedFile).where(PushedFile.push_id.in_(push_ids)))
