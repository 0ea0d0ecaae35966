"""Targets that archived documents are pushed on to, and how far each document is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
# Tables and a column that programs of before need not know.
works_since = "0022"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "push_targets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("app_id", sa.String(length=255), nullable=False),
        sa.Column("app_secret_box", sa.Text(), nullable=False),
        sa.Column("account_id", sa.String(length=64), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=16), nullable=False),
        sa.Column("user_name", sa.String(length=128), nullable=False),
        sa.Column("user_type", sa.String(length=16), nullable=False),
        sa.Column("ca_pem", sa.Text(), nullable=True),
        sa.Column("bill_id_field", sa.String(length=128), nullable=False),
        sa.Column("default_resource", sa.String(length=64), nullable=False),
        sa.Column("confirmed_statuses", sa.JSON(), nullable=False),
        sa.Column("max_file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("concurrency_cap", sa.Integer(), nullable=False),
        sa.Column("rate_cap", sa.Float(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("changed_at", _AT, nullable=True),
        sa.Column("hold_code", sa.String(length=40), nullable=True),
        sa.Column("hold_params", sa.JSON(), nullable=True),
        sa.Column("held_since", _AT, nullable=True),
        sa.Column("probe_at", _AT, nullable=True),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_targets")),
        sa.UniqueConstraint("name", name=op.f("uq_push_targets_name")),
    )
    op.create_table(
        "pushes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("target_id", _ID, nullable=False),
        sa.Column("document_id", _ID, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("next_try_at", _AT, nullable=False),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error_params", sa.JSON(), nullable=True),
        sa.Column("folder", sa.Text(), nullable=True),
        sa.Column("image_status", sa.String(length=40), nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("pushed_at", _AT, nullable=True),
        sa.Column("confirmed_at", _AT, nullable=True),
        sa.ForeignKeyConstraint(
            ["target_id"], ["push_targets.id"], name=op.f("fk_pushes_target_id")
        ),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.id"], name=op.f("fk_pushes_document_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushes")),
        sa.UniqueConstraint(
            "target_id", "document_id", name=op.f("uq_pushes_target_id_document_id")
        ),
    )
    op.create_index("ix_pushes_due", "pushes", ["target_id", "status", "next_try_at", "id"])
    op.create_index(op.f("ix_pushes_document_id"), "pushes", ["document_id"])
    op.create_table(
        "pushed_files",
        sa.Column("id", _ID, nullable=False),
        sa.Column("push_id", _ID, nullable=False),
        sa.Column("file_id", sa.String(length=128), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("file_no", sa.String(length=255), nullable=False),
        sa.Column("src_path", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["push_id"], ["pushes.id"], name=op.f("fk_pushed_files_push_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pushed_files")),
        sa.UniqueConstraint("push_id", "file_id", name=op.f("uq_pushed_files_push_id_file_id")),
    )
    op.add_column("batches", sa.Column("push_target_id", _ID, nullable=True))


def downgrade() -> None:
    op.drop_column("batches", "push_target_id")
    op.drop_table("pushed_files")
    op.drop_table("pushes")
    op.drop_table("push_targets")
