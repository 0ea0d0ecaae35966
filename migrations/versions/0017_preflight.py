"""确保前提: what was checked, on which host, and what people ticked by hand."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STAMP = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "preflights",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("data_source_id", BIG_ID, nullable=False),
        sa.Column("date_from", sa.Date(), nullable=False),
        sa.Column("date_to", sa.Date(), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", STAMP, nullable=False),
        sa.ForeignKeyConstraint(
            ["data_source_id"],
            ["data_sources.id"],
            name=op.f("fk_preflights_data_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preflights")),
    )
    op.create_index(
        op.f("ix_preflights_data_source_id_asked_at"),
        "preflights",
        ["data_source_id", "asked_at"],
        unique=False,
    )
    op.create_table(
        "preflight_reports",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("preflight_id", BIG_ID, nullable=False),
        sa.Column("host", sa.String(length=80), nullable=False),
        sa.Column("chore_id", BIG_ID, nullable=True),
        sa.Column("ended_at", STAMP, nullable=True),
        sa.Column("state", sa.String(length=16), nullable=True),
        sa.Column("findings", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["preflight_id"],
            ["preflights.id"],
            name=op.f("fk_preflight_reports_preflight_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preflight_reports")),
        sa.UniqueConstraint(
            "preflight_id", "host", name=op.f("uq_preflight_reports_preflight_id_host")
        ),
    )
    op.create_table(
        "preflight_ticks",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("data_source_id", BIG_ID, nullable=False),
        sa.Column("item", sa.String(length=40), nullable=False),
        sa.Column("ticked_by", sa.String(length=80), nullable=False),
        sa.Column("ticked_at", STAMP, nullable=False),
        sa.Column("remark", sa.Text(), nullable=False),
        sa.Column("withdrawn_by", sa.String(length=80), nullable=True),
        sa.Column("withdrawn_at", STAMP, nullable=True),
        sa.Column("withdrawn_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["data_source_id"],
            ["data_sources.id"],
            name=op.f("fk_preflight_ticks_data_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preflight_ticks")),
    )
    op.create_index(
        op.f("ix_preflight_ticks_data_source_id"),
        "preflight_ticks",
        ["data_source_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("preflight_ticks")
    op.drop_table("preflight_reports")
    op.drop_table("preflights")
