"""Finding archived documents: indexes, order by bytes, and the sums of their files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ARCHIVED = sa.text("archived_at IS NOT NULL")
_NUMBERS = {"image_no": 128, "bill_no": 255}
_OF_ARCHIVED = {
    "collected": ["collected_at"],
    "org": ["org_code", "collected_at"],
    "type": ["bill_type_code", "collected_at"],
    "applicant": ["applicant", "collected_at"],
    "amount": ["amount"],
    "when": ["archived_at"],
}


def upgrade() -> None:
    # Column by column and not by copying the table: files and items refer to it.
    op.add_column(
        "documents", sa.Column("stored_files", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "documents", sa.Column("stored_bytes", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.execute(
        "UPDATE documents SET"
        " stored_files = (SELECT COUNT(*) FROM files"
        " WHERE files.document_id = documents.id AND files.storage_key IS NOT NULL),"
        " stored_bytes = (SELECT COALESCE(SUM(size), 0) FROM files"
        " WHERE files.document_id = documents.id AND files.storage_key IS NOT NULL)"
        " WHERE archived_at IS NOT NULL"
    )
    _order_numbers_by("C")
    for name in _NUMBERS:
        op.create_index(op.f(f"ix_documents_{name}_id"), "documents", [name, "id"])
    for name, columns in _OF_ARCHIVED.items():
        op.create_index(
            f"ix_documents_archived_{name}",
            "documents",
            [*columns, "id"],
            sqlite_where=_ARCHIVED,
            postgresql_where=_ARCHIVED,
        )
    op.create_index(op.f("ix_files_category_document_id"), "files", ["category", "document_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_files_category_document_id"), table_name="files")
    for name in _OF_ARCHIVED:
        op.drop_index(f"ix_documents_archived_{name}", table_name="documents")
    for name in _NUMBERS:
        op.drop_index(op.f(f"ix_documents_{name}_id"), table_name="documents")
    _order_numbers_by("default")
    op.drop_column("documents", "stored_bytes")
    op.drop_column("documents", "stored_files")


def _order_numbers_by(collation: str) -> None:
    """SQLite compares bytes anyway; PostgreSQL goes by the language of its cluster."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for name, length in _NUMBERS.items():
        op.execute(
            f"ALTER TABLE documents ALTER COLUMN {name}"
            f' TYPE VARCHAR({length}) COLLATE "{collation}"'
        )
