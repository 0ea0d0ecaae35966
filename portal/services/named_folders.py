"""Which folders of the archive the ledger names: the one place that knows."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.models import Document, DocumentVersion, File


def named_folders(session: Session, document_ids: Collection[int]) -> set[str]:
    """Every folder the ledger names for these documents; nothing may remove one of them.

    Whatever else comes to keep folders of a document must be asked here too.
    """
    folders = session.scalars(
        select(Document.folder).where(Document.id.in_(document_ids), Document.folder.is_not(None))
    )
    keys = session.scalars(
        select(File.storage_key).where(
            File.document_id.in_(document_ids), File.storage_key.is_not(None)
        )
    )
    versions = session.scalars(
        select(DocumentVersion.folder).where(DocumentVersion.document_id.in_(document_ids))
    )
    return {str(folder) for folder in (*folders, *versions)} | {
        str(key).rpartition("/")[0] for key in keys
    }
