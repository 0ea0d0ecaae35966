"""Reconciliations, and the months that they have checked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STAMP = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("data_source_id", BIG_ID, nullable=False),
        sa.Column("first_month", sa.String(length=7), nullable=False),
        sa.Column("last_month", sa.String(length=7), nullable=False),
        sa.Column("reread", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("runner", sa.String(length=160), nullable=True),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", STAMP, nullable=False),
        sa.Column("started_at", STAMP, nullable=True),
        sa.Column("ended_at", STAMP, nullable=True),
        sa.Column("chore_id", BIG_ID, nullable=True),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("unbalanced", sa.Integer(), nullable=False),
        sa.Column("defects", sa.BigInteger(), nullable=False),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error_params", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["data_source_id"], ["data_sources.id"], name=op.f("fk_reconciliations_data_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliations")),
    )
    with op.batch_alter_table("reconciliations", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_reconciliations_data_source_id"), ["data_source_id"], unique=False
        )

    op.create_table(
        "checked_months",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("data_source_id", BIG_ID, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("reconciliation_id", BIG_ID, nullable=False),
        sa.Column("checked_by", sa.String(length=80), nullable=False),
        sa.Column("checked_at", STAMP, nullable=False),
        sa.Column("withdrawn_at", STAMP, nullable=True),
        sa.Column("withdrawn_why", sa.String(length=24), nullable=True),
        sa.ForeignKeyConstraint(
            ["data_source_id"], ["data_sources.id"], name=op.f("fk_checked_months_data_source_id")
        ),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["reconciliations.id"],
            name=op.f("fk_checked_months_reconciliation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checked_months")),
    )
    with op.batch_alter_table("checked_months", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_checked_months_data_source_id_month"),
            ["data_source_id", "month"],
            unique=False,
        )

    op.create_table(
        "reconciliation_cells",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("reconciliation_id", BIG_ID, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("org_code", sa.String(length=255), nullable=False),
        sa.Column("org_name", sa.String(length=255), nullable=False),
        sa.Column("bill_type_code", sa.String(length=255), nullable=False),
        sa.Column("bill_type_name", sa.String(length=255), nullable=False),
        sa.Column("vague", sa.Boolean(), nullable=False),
        sa.Column("source_documents", sa.Integer(), nullable=True),
        sa.Column("source_files", sa.Integer(), nullable=True),
        sa.Column("source_bytes", sa.BigInteger(), nullable=True),
        sa.Column("source_amount", sa.Numeric(precision=24, scale=2), nullable=True),
        sa.Column("listed_documents", sa.Integer(), nullable=False),
        sa.Column("listed_files", sa.Integer(), nullable=False),
        sa.Column("listed_bytes", sa.BigInteger(), nullable=True),
        sa.Column("listed_amount", sa.Numeric(precision=24, scale=2), nullable=True),
        sa.Column("archived_documents", sa.Integer(), nullable=False),
        sa.Column("archived_files", sa.Integer(), nullable=False),
        sa.Column("archived_bytes", sa.BigInteger(), nullable=False),
        sa.Column("archived_amount", sa.Numeric(precision=24, scale=2), nullable=False),
        sa.Column("left_documents", sa.Integer(), nullable=True),
        sa.Column("left_files", sa.Integer(), nullable=True),
        sa.Column("left_bytes", sa.BigInteger(), nullable=True),
        sa.Column("left_amount", sa.Numeric(precision=24, scale=2), nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("defects", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["reconciliations.id"],
            name=op.f("fk_reconciliation_cells_reconciliation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_cells")),
        sa.UniqueConstraint(
            "reconciliation_id",
            "month",
            "org_code",
            "bill_type_code",
            name="uq_reconciliation_cells_cell",
        ),
    )
    op.create_table(
        "reconciliation_findings",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("reconciliation_id", BIG_ID, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("org_code", sa.String(length=255), nullable=False),
        sa.Column("bill_type_code", sa.String(length=255), nullable=False),
        sa.Column("part", sa.String(length=16), nullable=False),
        sa.Column("document_id", BIG_ID, nullable=True),
        sa.Column("image_no", sa.String(length=128), nullable=False),
        sa.Column("resource", sa.String(length=64), nullable=False),
        sa.Column("file_id", sa.String(length=128), nullable=True),
        sa.Column("place", sa.String(length=700), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("at_month", sa.String(length=7), nullable=True),
        sa.Column("at_org", sa.String(length=255), nullable=True),
        sa.Column("at_type", sa.String(length=255), nullable=True),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("params", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["reconciliations.id"],
            name=op.f("fk_reconciliation_findings_reconciliation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_findings")),
    )
    with op.batch_alter_table("reconciliation_findings", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_reconciliation_findings_reconciliation_id_part_month"),
            ["reconciliation_id", "part", "month"],
            unique=False,
        )

    op.create_table(
        "reconciliation_months",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("reconciliation_id", BIG_ID, nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("verification_id", BIG_ID, nullable=True),
        sa.Column("reread_documents", sa.BigInteger(), nullable=True),
        sa.Column("reread_files", sa.BigInteger(), nullable=True),
        sa.Column("reread_at", STAMP, nullable=True),
        sa.Column("not_checked", sa.String(length=24), nullable=True),
        sa.Column("source_documents", sa.Integer(), nullable=True),
        sa.Column("source_files", sa.Integer(), nullable=True),
        sa.Column("source_bytes", sa.BigInteger(), nullable=True),
        sa.Column("source_amount", sa.Numeric(precision=24, scale=2), nullable=True),
        sa.Column("listed_documents", sa.Integer(), nullable=False),
        sa.Column("listed_files", sa.Integer(), nullable=False),
        sa.Column("listed_bytes", sa.BigInteger(), nullable=True),
        sa.Column("listed_amount", sa.Numeric(precision=24, scale=2), nullable=True),
        sa.Column("archived_documents", sa.Integer(), nullable=False),
        sa.Column("archived_files", sa.Integer(), nullable=False),
        sa.Column("archived_bytes", sa.BigInteger(), nullable=False),
        sa.Column("archived_amount", sa.Numeric(precision=24, scale=2), nullable=False),
        sa.Column("left_documents", sa.Integer(), nullable=True),
        sa.Column("left_files", sa.Integer(), nullable=True),
        sa.Column("left_bytes", sa.BigInteger(), nullable=True),
        sa.Column("left_amount", sa.Numeric(precision=24, scale=2), nullable=True),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("defects", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["reconciliation_id"],
            ["reconciliations.id"],
            name=op.f("fk_reconciliation_months_reconciliation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_months")),
        sa.UniqueConstraint(
            "reconciliation_id",
            "month",
            name=op.f("uq_reconciliation_months_reconciliation_id_month"),
        ),
    )
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_documents_data_source_id_collected_at"),
            ["data_source_id", "collected_at"],
            unique=False,
        )

    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.add_column(sa.Column("data_source_id", BIG_ID, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("verifications", schema=None) as batch_op:
        batch_op.drop_column("data_source_id")

    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_documents_data_source_id_collected_at"))

    op.drop_table("reconciliation_months")
    op.drop_table("reconciliation_findings")
    op.drop_table("reconciliation_cells")
    op.drop_table("checked_months")
    op.drop_table("reconciliations")
