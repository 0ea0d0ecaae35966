"""Putting a new version of a document in force: the old one is kept, its folder with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, literal, select, update
from sqlalchemy.orm import Session

from portal.models import Document, DocumentVersion, File, VersionFile, table_of
from portal.models.base import BigId
from portal.services import audit
from portal.services.descriptions import Description

_DOCUMENTS = table_of(Document)
_VERSIONS = table_of(DocumentVersion)
_OWN = frozenset({"id", "document_id", "replaced_at", "replaced_by_item_id", "reason"})


@dataclass(frozen=True, slots=True)
class Replacement:
    """A document about to be synced anew by an item.

    :param old_folder: what is in force until now; None when it is not archived
    :param why: the verdict that asked for it
    :param description: what the source says now, where the row does not say it yet
    """

    document_id: int
    batch_id: int
    item_id: int
    old_folder: str | None
    new_folder: str
    why: str
    description: Description | None


def make_way(
    session: Session, replacements: Sequence[Replacement], *, by: str, now: datetime
) -> None:
    """Keep what is in force as earlier versions, and have the rows say what the source says.

    To be called in the commit that then marks the items synced and writes what was stored. The
    caller holds locks on the documents.
    """
    for replacement in replacements:
        if replacement.old_folder is not None:
            _keep(session, replacement, now)
    described = [each for each in replacements if each.description is not None]
    if described:
        _describe(session, described)
    audit.record_items(session, [_event(each, by, now) for each in replacements if each.old_folder])


def _event(replacement: Replacement, by: str, now: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "actor": by,
        "action": "document.replace",
        "batch_id": replacement.batch_id,
        "document_id": replacement.document_id,
        "reason": replacement.why,
        "detail": {"old_folder": replacement.old_folder, "new_folder": replacement.new_folder},
    }


def _keep(session: Session, replacement: Replacement, now: datetime) -> None:
    same = [column.name for column in _VERSIONS.columns if column.name not in _OWN]
    version = select(
        _DOCUMENTS.c.id,
        literal(now, _VERSIONS.c.replaced_at.type),
        literal(replacement.item_id, BigId),
        literal(replacement.why),
        *(_DOCUMENTS.c[name] for name in same),
    ).where(_DOCUMENTS.c.id == replacement.document_id)
    names = ["document_id", "replaced_at", "replaced_by_item_id", "reason", *same]
    session.execute(insert(_VERSIONS).from_select(names, version))
    files, kept = table_of(File), table_of(VersionFile)
    columns = [column.name for column in kept.columns if column.name not in ("id", "version_id")]
    newest = (
        select(_VERSIONS.c.id)
        .where(_VERSIONS.c.document_id == replacement.document_id)
        .order_by(_VERSIONS.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    session.execute(
        insert(kept).from_select(
            ["version_id", *columns],
            select(newest, *(files.c[name] for name in columns))
            .where(files.c.document_id == replacement.document_id)
            .order_by(files.c.id),
        )
    )


def _describe(session: Session, described: Sequence[Replacement]) -> None:
    documents: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for each in described:
        assert each.description is not None  # noqa: S101 - the caller looked
        documents.append({"key": each.document_id, **each.description.document})
        rows += [{"document_id": each.document_id, **file} for file in each.description.files]
    columns: dict[str, Any] = {name: bindparam(name) for name in documents[0] if name != "key"}
    connection = session.connection()
    connection.execute(
        update(_DOCUMENTS).where(_DOCUMENTS.c.id == bindparam("key")).values(columns), documents
    )
    replaced = [each.document_id for each in described]
    connection.execute(delete(table_of(File)).where(File.document_id.in_(replaced)))
    connection.execute(insert(table_of(File)), rows)
