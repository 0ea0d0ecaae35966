"""随机抽查 as the ledger keeps it: asked for, sealed, drawn, judged, closed, never backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from portal.errors import NotAllowed, NotFound
from portal.models import (
    Chore,
    DataSource,
    Document,
    Sample,
    SampleDocument,
    SampleState,
    Verdict,
)
from portal.services import audit, chores, sample_bound
from portal.services.manifest_lines import read_line
from portal.services.manifests import Manifest
from portal.services.paging import Leaf, Place, read

MANIFEST, COMPARE = "sample.manifest", "sample.compare"
LONGEST_REMARK = 2000


def ask(
    session: Session,
    source_id: int,
    month: str,
    *,
    org_code: str = "",
    bill_type_code: str = "",
    by: str,
    now: datetime,
) -> Sample:
    """Begin a sample of a source's month: a clerk makes its manifest.

    :raises NotFound: when there is no such source
    :raises NotAllowed: when the month is none
    """
    if session.get(DataSource, source_id) is None:
        raise NotFound("没有这个数据源", "there is no such data source")
    try:
        date.fromisoformat(f"{month}-01")
    except ValueError:
        raise NotAllowed("月份应如 2024-03", "a month must be given such as 2024-03") from None
    sample = Sample(
        data_source_id=source_id,
        month=month,
        org_code=org_code,
        bill_type_code=bill_type_code,
        state=SampleState.MAKING,
        asked_by=by,
        asked_at=now,
        strata={},
    )
    session.add(sample)
    session.flush()
    subject = f"sample:{sample.id}"
    sample.chore_id = chores.ask(
        session, MANIFEST, by=by, now=now, subject=subject, params={"sample": sample.id}
    ).id
    words = {"month": month, "org": org_code or None, "type": bill_type_code or None}
    _tell(session, sample, "sample.ask", by=by, now=now, detail=words)
    return sample


def seal(session: Session, sample_id: int, manifest: Manifest, *, by: str, now: datetime) -> bool:
    """Keep the manifest's digest; False when the sample was sealed by somebody else before."""
    sample = _locked(session, sample_id)
    if sample.state is not SampleState.MAKING:
        return False
    sample.state = SampleState.SEALED
    sample.sealed_at = now
    sample.manifest_sha256 = manifest.sha256
    sample.manifest_bytes = manifest.size
    sample.documents = manifest.documents
    sample.strata = manifest.strata
    words = {"documents": manifest.documents, "sha256": manifest.sha256}
    _tell(session, sample, "sample.seal", by=by, now=now, detail=words)
    return True


def keep_drawn(
    session: Session,
    sample_id: int,
    nonce: str,
    chosen: Sequence[tuple[str, bytes]],
    *,
    most_wrong: int | None,
    by: str,
    now: datetime,
) -> Sample:
    """Keep what was drawn; that a sample is drawn once is all that makes it one.

    :param chosen: keys and lines in order
    :raises NotAllowed: when it is not sealed, or was drawn before
    """
    sample = _locked(session, sample_id)
    expect(sample, SampleState.SEALED)
    sample.state = SampleState.DRAWN
    sample.nonce = nonce
    sample.size = len(chosen)
    sample.most_wrong = most_wrong
    sample.drawn_by = by
    sample.drawn_at = now
    for position, (key, line) in enumerate(chosen, start=1):
        document = read_line(line)
        row = SampleDocument(
            sample_id=sample_id,
            position=position,
            key=key,
            line=line.decode(),
            resource=document.resource,
            image_no=document.image_no,
            bill_type_code=document.type_code,
            document_id=_document_id(session, sample, document.resource, document.image_no),
        )
        session.add(row)
    words = {
        "nonce": nonce,
        "size": sample.size,
        "documents": sample.documents,
        "sha256": sample.manifest_sha256,
    }
    _tell(session, sample, "sample.draw", by=by, now=now, detail=words)
    return sample


def judge(
    session: Session,
    sample_id: int,
    position: int,
    verdict: Verdict,
    remark: str,
    *,
    by: str,
    now: datetime,
) -> SampleDocument:
    """Give or change the verdict of a document.

    :raises NotFound: when the sample has no such document
    :raises NotAllowed: when it is closed, or the remark is too long
    """
    sample = _locked(session, sample_id)
    expect(sample, SampleState.DRAWN)
    remark = remark.strip()
    if len(remark) > LONGEST_REMARK:
        raise NotAllowed(
            f"备注最多 {LONGEST_REMARK} 字",
            f"a remark has at most {LONGEST_REMARK} characters",
        )
    row = document(session, sample_id, position)
    if (row.verdict, row.remark) == (verdict, remark):
        return row
    changed = remark if not row.remark else [row.remark, remark or "—"]
    words = {"image_no": row.image_no, "remark": changed if remark != row.remark else None}
    old = row.verdict
    row.verdict, row.remark, row.judged_by, row.judged_at = verdict, remark, by, now
    _tell(session, sample, "sample.judge", by=by, now=now, old=old, new=verdict, detail=words)
    return row


def keep_comparison(
    session: Session, document_row: int, compared: Mapping[str, Any], *, by: str, now: datetime
) -> None:
    """Keep what a comparison with the source gave.

    :raises NotAllowed: when the sample was closed meanwhile
    """
    row = session.get_one(SampleDocument, document_row)
    sample = _locked(session, row.sample_id)
    expect(sample, SampleState.DRAWN)
    row.compared, row.compared_by, row.compared_at = dict(compared), by, now
    row.copies = compared["copies"]
    new = "equal" if compared["equal"] else "unequal"
    words = {"image_no": row.image_no}
    _tell(session, sample, "sample.compare", by=by, now=now, new=new, detail=words)


def close(session: Session, sample_id: int, *, by: str, now: datetime) -> Sample:
    """Compute what the sample proves; nothing in it changes afterwards.

    :raises NotAllowed: when a document has no verdict, or it is closed
    """
    sample = _locked(session, sample_id)
    expect(sample, SampleState.DRAWN)
    counts = verdicts(session, sample_id)
    if counts.get(None):
        raise NotAllowed(
            f"还有 {counts[None]} 份单据没有结论",
            f"{counts[None]} documents have no verdict yet",
        )
    sample.undecided = counts.get(Verdict.UNDECIDED, 0)
    sample.found = counts.get(Verdict.DIFFER, 0) + sample.undecided
    sample.bound = sample_bound.upper_bound(sample.documents or 0, sample.size or 0, sample.found)
    sample.state = SampleState.CLOSED
    sample.closed_by, sample.closed_at = by, now
    words = {
        "documents": sample.documents,
        "size": sample.size,
        "found": sample.found,
        "undecided": sample.undecided,
        "bound": sample.bound,
    }
    _tell(session, sample, "sample.close", by=by, now=now, detail=words)
    return sample


def ask_comparison(session: Session, row: SampleDocument, *, by: str, now: datetime) -> Chore:
    """Have a clerk fetch the source's copy of a document and compare it.

    :raises NotAllowed: when the sample is closed
    """
    expect(find(session, row.sample_id), SampleState.DRAWN)
    params = {"document": row.id}
    return chores.ask(session, COMPARE, by=by, now=now, subject=subject_of(row), params=params)


def subject_of(row: SampleDocument) -> str:
    """What the chores that compare a document are about."""
    return f"sample-document:{row.id}"


def record_download(session: Session, sample: Sample, *, by: str, now: datetime) -> None:
    """Write down that a manifest is given away."""
    words = {"sha256": sample.manifest_sha256}
    _tell(session, sample, "sample.manifest", by=by, now=now, detail=words)


# Reading.


def find(session: Session, sample_id: int) -> Sample:
    """
    :raises NotFound: when there is none
    """
    sample = session.get(Sample, sample_id)
    if sample is None:
        raise NotFound("没有这次抽查", "there is no such sample")
    return sample


def document(session: Session, sample_id: int, position: int) -> SampleDocument:
    """
    :raises NotFound: when the sample has no such document
    """
    row = session.scalar(
        select(SampleDocument).where(
            SampleDocument.sample_id == sample_id, SampleDocument.position == position
        )
    )
    if row is None:
        raise NotFound("没有这份抽中的单据", "there is no such document in the sample")
    return row


def all_samples(session: Session, place: Place, *, source_id: int | None = None) -> Leaf[Any]:
    """Samples with their sources, and how the chore stands that makes the manifest."""
    query = (
        select(Sample, DataSource, Chore.status)
        .join(DataSource, DataSource.id == Sample.data_source_id)
        .outerjoin(Chore, Chore.id == Sample.chore_id)
    )
    if source_id is not None:
        query = query.where(Sample.data_source_id == source_id)
    return read(session, query, place, columns={"id": Sample.id}, row_id=Sample.id)


def documents_of(sample_id: int) -> Select[SampleDocument]:
    """The documents of a sample, for a list or an export."""
    return select(SampleDocument).where(SampleDocument.sample_id == sample_id)


def verdicts(session: Session, sample_id: int) -> dict[Verdict | None, int]:
    """How many documents have which verdict, None for those without one."""
    query = (
        select(SampleDocument.verdict, func.count())
        .where(SampleDocument.sample_id == sample_id)
        .group_by(SampleDocument.verdict)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _document_id(session: Session, sample: Sample, resource: str, image_no: str) -> int | None:
    return session.scalar(
        select(Document.id).where(
            Document.data_source_id == sample.data_source_id,
            Document.resource == resource,
            Document.image_no == image_no,
        )
    )


def _locked(session: Session, sample_id: int) -> Sample:
    """The sample, its row held until the transaction ends."""
    sample = session.get(Sample, sample_id, with_for_update=True, populate_existing=True)
    if sample is None:
        raise NotFound("没有这次抽查", "there is no such sample")
    return sample


def expect(sample: Sample, state: SampleState) -> None:
    """
    :raises NotAllowed: when the sample is in another state, with the reason
    """
    if sample.state is state:
        return
    raise NotAllowed(*_REFUSALS[sample.state])


_REFUSALS = {
    SampleState.MAKING: ("清单还没有封存", "the manifest is not sealed yet"),
    SampleState.SEALED: ("还没有抽样", "no sample was drawn yet"),
    SampleState.DRAWN: ("已经抽过样，不能重抽", "the sample was drawn already, once and for all"),
    SampleState.CLOSED: ("抽查已结束，不能再改", "the sample is closed and cannot be changed"),
}


def _tell(
    session: Session,
    sample: Sample,
    action: str,
    *,
    by: str,
    now: datetime,
    detail: Mapping[str, Any],
    old: str | None = None,
    new: str | None = None,
) -> None:
    known = {name: value for name, value in detail.items() if value is not None}
    words = {"sample": sample.id, **known}
    audit.record(session, action, by=by, at=now, old=old, new=new, detail=words)
