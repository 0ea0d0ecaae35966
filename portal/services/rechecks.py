"""Overlap ``all``: what a claim on an archived document is to look at, and what came of it.

What is in force stays so until the commit that puts a newer version in its place; every decision
here is about a document whose fence the claim still holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from portal.models import DocumentVersion, File
from portal.services.descriptions import Description, newer
from portal.sync.sources.rows import Category, SourceFile
from portal.sync.transfer.work import ArchivedFile, Recheck, Result

AnyRow = Row[*tuple[Any, ...]]


class Verdict(StrEnum):
    """What becomes of an archived document that was looked at again."""

    KEEP = "keep"
    DAMAGED = "damaged"
    REDESCRIBED = "redescribed"
    REWRITTEN = "rewritten"


def description_of(row: AnyRow) -> Description | None:
    """What the item's source says that the document's row does not.

    :param row: has the item's ``description``, the document's ``listing_digest``, ``described_at``
    """
    return newer(row.description, row.listing_digest, row.described_at)


def described_files(description: Description) -> list[SourceFile]:
    """The files to fetch by a description."""
    return [
        SourceFile(
            file_id=file["file_id"],
            category=cast(Category, file["category"]),
            seq=file["seq"],
            name=file["name"],
            suffix=file["suffix"],
            size=file["declared_size"],
            sha256=file["declared_sha256"],
            md5=file["declared_md5"],
            page_count=file["declared_pages"],
            download_url=file["download_url"],
        )
        for file in sorted(description.files, key=lambda file: int(file["seq"]))
    ]


def rechecks(session: Session, rows: Sequence[AnyRow]) -> Mapping[int, Recheck]:
    """What to look at of the archived documents among the claimed rows, by document."""
    archived = {row.document_id: row for row in rows if row.archived_at is not None}
    if not archived:
        return {}
    files: dict[int, list[AnyRow]] = defaultdict(list)
    query = (
        select(
            File.document_id,
            File.file_id,
            File.storage_key,
            File.size,
            File.sha256,
            File.declared_sha256,
            File.declared_md5,
        )
        .where(File.document_id.in_(archived))
        .order_by(File.seq, File.id)
    )
    for file in session.execute(query):
        files[file.document_id].append(file)
    kept = _folders_of_versions(session, archived)
    return {
        document_id: Recheck(
            files=tuple(
                ArchivedFile(file.file_id, file.storage_key, file.size, file.sha256)
                for file in files[document_id]
            ),
            redescribed=description_of(row) is not None,
            declared=all(file.declared_sha256 or file.declared_md5 for file in files[document_id]),
            folders=frozenset({row.folder, *kept[document_id]}),
        )
        for document_id, row in archived.items()
    }


def _folders_of_versions(
    session: Session, document_ids: Mapping[int, AnyRow]
) -> Mapping[int, set[str]]:
    folders: dict[int, set[str]] = defaultdict(set)
    query = select(DocumentVersion.document_id, DocumentVersion.folder).where(
        DocumentVersion.document_id.in_(document_ids)
    )
    for document_id, folder in session.execute(query):
        folders[document_id].add(folder)
    return folders


def judge(result: Result) -> Verdict:
    """What the result of a claim on an archived document means; it has no error.

    A claim that was not told to look at an archived document found it archived by another batch.
    """
    recheck = result.claim.recheck
    if recheck is None or not result.files:
        return Verdict.KEEP
    if recheck.redescribed:
        return Verdict.REDESCRIBED
    if result.damage is not None:
        return Verdict.DAMAGED
    fetched = {file.file_id: (file.size, file.sha256) for file in result.files}
    archived = {file.file_id: (file.size, file.sha256) for file in recheck.files}
    return Verdict.KEEP if fetched == archived else Verdict.REWRITTEN


def without_kept_folders(claim_folders: Sequence[str], recheck: Recheck | None) -> tuple[str, ...]:
    """Folders that earlier claims may have left, less those that the ledger names."""
    kept = frozenset[str]() if recheck is None else recheck.folders
    return tuple(folder for folder in claim_folders if folder not in kept)
