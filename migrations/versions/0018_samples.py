"""Samples: sealed manifests, what was drawn from them, and the verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "samples",
        sa.Column("id", _ID, nullable=False),
        sa.Column("data_source_id", _ID, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("org_code", sa.String(length=255), nullable=False),
        sa.Column("bill_type_code", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("chore_id", _ID, nullable=True),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", _AT, nullable=False),
        sa.Column("sealed_at", _AT, nullable=True),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=True),
        sa.Column("manifest_bytes", sa.BigInteger(), nullable=True),
        sa.Column("documents", sa.BigInteger(), nullable=True),
        sa.Column("strata", sa.JSON(), nullable=False),
        sa.Column("nonce", sa.String(length=200), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("most_wrong", sa.BigInteger(), nullable=True),
        sa.Column("drawn_by", sa.String(length=80), nullable=True),
        sa.Column("drawn_at", _AT, nullable=True),
        sa.Column("closed_by", sa.String(length=80), nullable=True),
        sa.Column("closed_at", _AT, nullable=True),
        sa.Column("found", sa.Integer(), nullable=True),
        sa.Column("undecided", sa.Integer(), nullable=True),
        sa.Column("bound", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["data_source_id"], ["data_sources.id"], name=op.f("fk_samples_data_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_samples")),
    )
    op.create_index(op.f("ix_samples_data_source_id"), "samples", ["data_source_id"], unique=False)
    op.create_table(
        "sample_documents",
        sa.Column("id", _ID, nullable=False),
        sa.Column("sample_id", _ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("image_no", sa.String(length=128), nullable=False),
        sa.Column("bill_type_code", sa.String(length=255), nullable=False),
        sa.Column("document_id", _ID, nullable=True),
        sa.Column("compared", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("compared_by", sa.String(length=80), nullable=True),
        sa.Column("compared_at", _AT, nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("remark", sa.String(length=2000), nullable=False),
        sa.Column("judged_by", sa.String(length=80), nullable=True),
        sa.Column("judged_at", _AT, nullable=True),
        sa.ForeignKeyConstraint(
            ["sample_id"], ["samples.id"], name=op.f("fk_sample_documents_sample_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sample_documents")),
        sa.UniqueConstraint(
            "sample_id", "position", name=op.f("uq_sample_documents_sample_id_position")
        ),
    )


def downgrade() -> None:
    op.drop_table("sample_documents")
    op.drop_table("samples")
