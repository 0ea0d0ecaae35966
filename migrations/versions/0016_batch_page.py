"""Runs and throughput of batches, and the indexes that keep their documents' list fast."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

# What each index is for. Every one is written when a document is listed; of those of the items
# only by_status is written again when it is decided, and by_cause holds failures alone.
#   batch_items  (slice_id, document_id)            a month's, and between which ids they are
#                (batch_id, status, document_id)    those of a status, page by page
#                (batch_id, error_code, …)          causes with their counts, and those of one
#   documents    (data_source_id, org_code, id)     an organisation's, and which there are
#                (data_source_id, bill_type_code, id)  likewise of a type
#                applicant                          how a name begins
#   audit_events (batch_id, id)                     a batch's log without its documents' events
_CODES = ("org_code", "bill_type_code")


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "batch_runs",
        sa.Column("batch_id", big, autoincrement=False, nullable=False),
        sa.Column("run_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", _AT, nullable=False),
        sa.Column("started_by", sa.String(length=80), nullable=False),
        sa.Column("job_run_id", sa.BigInteger(), nullable=True),
        sa.Column("job_log_id", sa.BigInteger(), nullable=True),
        sa.Column("retried", sa.Integer(), nullable=True),
        sa.Column("narrowed", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("ended_at", _AT, nullable=True),
        sa.Column("ended_by", sa.String(length=80), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("sync_status", sa.String(length=16), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("done", sa.Integer(), nullable=True),
        sa.Column("failed", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batch_runs_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", "run_no", name=op.f("pk_batch_runs")),
    )
    op.create_table(
        "batch_throughput",
        sa.Column("batch_id", big, autoincrement=False, nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("samples", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_batch_throughput_batch_id")
        ),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_batch_throughput")),
    )
    # MariaDB keeps an index of slice_id for its foreign key: the new one first.
    op.create_index(
        "ix_batch_items_slice_id_document_id", "batch_items", ["slice_id", "document_id"]
    )
    op.drop_index("ix_batch_items_slice_id", table_name="batch_items")
    op.create_index(
        "ix_batch_items_by_status", "batch_items", ["batch_id", "status", "document_id"]
    )
    op.create_index(
        "ix_batch_items_by_cause",
        "batch_items",
        ["batch_id", "error_code", "document_id", "status"],
        sqlite_where=sa.text("error_code IS NOT NULL"),
        postgresql_where=sa.text("error_code IS NOT NULL"),
    )
    for name in _CODES:
        op.create_index(
            f"ix_documents_data_source_id_{name}_id", "documents", ["data_source_id", name, "id"]
        )
    op.create_index(
        "ix_documents_applicant",
        "documents",
        ["applicant"],
        postgresql_ops={"applicant": "varchar_pattern_ops"},
    )
    op.create_index(
        "ix_audit_events_of_batches",
        "audit_events",
        ["batch_id", "id"],
        sqlite_where=sa.text("document_id IS NULL"),
        postgresql_where=sa.text("document_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_audit_events_of_batches", table_name="audit_events")
    op.drop_index("ix_documents_applicant", table_name="documents")
    for name in _CODES:
        op.drop_index(f"ix_documents_data_source_id_{name}_id", table_name="documents")
    for name in ("ix_batch_items_by_cause", "ix_batch_items_by_status"):
        op.drop_index(name, table_name="batch_items")
    op.create_index("ix_batch_items_slice_id", "batch_items", ["slice_id"])
    # PostgreSQL and MariaDB keep an index of slice_id for its foreign key: the new one first.
    op.drop_index("ix_batch_items_slice_id_document_id", table_name="batch_items")
    op.drop_table("batch_throughput")
    op.drop_table("batch_runs")
