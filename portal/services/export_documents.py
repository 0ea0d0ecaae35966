"""The rows of exports that go through documents: by batch along its items, else by document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from sqlalchemy import ColumnElement, Select, func, null, select
from sqlalchemy.orm import Session

from portal.models import Batch, BatchItem, DataSource, Document, File, Slice
from portal.services import selected_documents
from portal.services.export_tables import Column, Wanted, keyed, plain
from portal.services.selection import batch_ids
from portal.statuses import ItemStatus

DOCUMENT_COLUMNS: Sequence[Column] = (
    plain("source", "数据源", "source"),
    plain("image_no", "影像编号", "image number"),
    plain("bill_no", "单据编号", "bill number"),
    plain("resource", "来源系统", "source system"),
    plain("bill_type_code", "单据类型代码", "type code"),
    plain("bill_type_name", "单据类型", "type"),
    plain("org_code", "组织代码", "organisation code"),
    plain("org_name", "组织", "organisation"),
    plain("applicant", "提单人", "applicant"),
    plain("collected_at", "采集时间", "collected at"),
    plain("amount", "金额", "amount"),
)
_DOCUMENT = (
    DataSource.name.label("source"),
    Document.image_no,
    Document.bill_no,
    Document.resource,
    Document.bill_type_code,
    Document.bill_type_name,
    Document.org_code,
    Document.org_name,
    Document.applicant,
    Document.collected_at,
    Document.amount,
)
_ARCHIVED = (Document.archived_at, Document.folder, Document.source_metadata)
_ITEM = (
    BatchItem.document_id.label("key"),
    Batch.batch_no,
    Slice.month,
    BatchItem.status,
    BatchItem.attempts,
    BatchItem.error_code,
    BatchItem.error_params,
    BatchItem.failed_file_id,
    BatchItem.finished_at,
)
_FILE = (
    File.document_id,
    File.file_id,
    File.category,
    File.seq,
    File.name,
    File.size,
    File.sha256,
    File.kind,
    File.pages,
    File.width,
    File.height,
    File.dpi,
    File.declared_size,
    File.declared_sha256,
    File.declared_md5,
    File.declared_pages,
    File.stored_at,
    File.storage_key,
)
_FILES_OF = 500
Rows = Iterator[Sequence[Any]]
AnySelect = Select[*tuple[Any, ...]]


def document_pages(session: Session, wanted: Wanted) -> Rows:
    """One row for each passage of a document through the named batches; else for each document."""
    if wanted.selection.batch_nos:
        return _along_items(session, wanted, [])
    nothing = [null().label(name) for name in ("batch_no", "status", "attempts", "error_code")]
    query = (
        select(
            Document.id.label("key"),
            *_DOCUMENT,
            *_ARCHIVED,
            *nothing,
            null().label("finished_at"),
        )
        .join(DataSource, DataSource.id == Document.data_source_id)
        .where(*wanted.selection.of_documents(wanted.zone))
    )
    return keyed(session, query, Document.id, "key")


def document_count(session: Session, wanted: Wanted) -> int:
    """How many those are."""
    if wanted.selection.batch_nos:
        return _count_items(session, wanted, [])
    found = wanted.selection.of_documents(wanted.zone)
    return session.scalar(select(func.count()).select_from(Document).where(*found)) or 0


def item_pages(session: Session, wanted: Wanted) -> Rows:
    """The failed documents of the named batches, or of all."""
    return _along_items(session, wanted, [BatchItem.status == ItemStatus.FAILED])


def item_count(session: Session, wanted: Wanted) -> int:
    """How many those are."""
    return _count_items(session, wanted, [BatchItem.status == ItemStatus.FAILED])


def file_pages(session: Session, wanted: Wanted) -> Rows:
    """The files of the selected documents, each document once."""
    selected = selected_documents.pages(
        lambda: nullcontext(session), wanted.selection, zone=wanted.zone, size=_FILES_OF
    )
    for ids in selected:
        query = (
            select(*_DOCUMENT, *_FILE)
            .join(Document, Document.id == File.document_id)
            .join(DataSource, DataSource.id == Document.data_source_id)
            .where(File.document_id.in_(ids))
            .order_by(File.document_id, File.seq, File.id)
        )
        yield session.execute(query).all()


def file_count(session: Session, wanted: Wanted) -> int:
    """How many those are."""
    return selected_documents.count_files(session, wanted.selection, zone=wanted.zone)


def _along_items(session: Session, wanted: Wanted, more: list[ColumnElement[bool]]) -> Rows:
    for batch_id in _batches(session, wanted):
        query = (
            select(*_ITEM, *_DOCUMENT, *_ARCHIVED)
            .select_from(BatchItem)
            .join(Document, Document.id == BatchItem.document_id)
            .join(DataSource, DataSource.id == Document.data_source_id)
            .join(Batch, Batch.id == BatchItem.batch_id)
            .join(Slice, Slice.id == BatchItem.slice_id)
            .where(BatchItem.batch_id == batch_id, *wanted.selection.of_items(wanted.zone), *more)
        )
        yield from keyed(session, query, BatchItem.document_id, "key")


def _count_items(session: Session, wanted: Wanted, more: list[ColumnElement[bool]]) -> int:
    query = (
        select(func.count())
        .select_from(BatchItem)
        .where(
            BatchItem.batch_id.in_(_batches(session, wanted)),
            *wanted.selection.of_items(wanted.zone),
            *more,
        )
    )
    return session.scalar(query) or 0


def _batches(session: Session, wanted: Wanted) -> Sequence[int]:
    if wanted.selection.batch_nos:
        return batch_ids(session, wanted.selection.batch_nos)
    query = select(Batch.id).where(Batch.deleted_at.is_(None)).order_by(Batch.id)
    return session.scalars(query).all()
