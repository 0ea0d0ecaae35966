"""holds and levels

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INSTANT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.String(length=400), nullable=True),
        sa.Column("data_source_id", _ID, nullable=True),
        sa.Column("batch_id", _ID, nullable=True),
        sa.Column("org_code", sa.String(length=255), nullable=True),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.Column("probe_at", _INSTANT, nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("lifted_at", _INSTANT, nullable=True),
        sa.Column("lifted_by", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_holds_batch_id")),
        sa.ForeignKeyConstraint(
            ["data_source_id"], ["data_sources.id"], name=op.f("fk_holds_data_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        sa.UniqueConstraint("key", name=op.f("uq_holds_key")),
    )
    op.create_index(op.f("ix_holds_batch_id"), "holds", ["batch_id"])
    op.create_table(
        "failure_streaks",
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("org_code", sa.String(length=255), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_failure_streaks_batch_id")
        ),
        sa.PrimaryKeyConstraint("batch_id", "org_code", name=op.f("pk_failure_streaks")),
    )
    op.create_table(
        "source_levels",
        sa.Column("data_source_id", _ID, autoincrement=False, nullable=False),
        sa.Column("level", sa.JSON(), nullable=False),
        sa.Column("users", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_source_id"], ["data_sources.id"], name=op.f("fk_source_levels_data_source_id")
        ),
        sa.PrimaryKeyConstraint("data_source_id", name=op.f("pk_source_levels")),
    )
    # Not by copying the tables, as other tables refer to them.
    op.add_column("data_sources", sa.Column("rate_cap", sa.Float(), nullable=True))
    op.add_column("data_sources", sa.Column("bandwidth_cap", sa.BigInteger(), nullable=True))
    op.add_column(
        "data_sources", sa.Column("windows", sa.JSON(), nullable=False, server_default="[]")
    )
    op.add_column(
        "batch_items", sa.Column("losses", sa.Integer(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    op.drop_column("batch_items", "losses")
    op.drop_column("data_sources", "windows")
    op.drop_column("data_sources", "bandwidth_cap")
    op.drop_column("data_sources", "rate_cap")
    op.drop_table("source_levels")
    op.drop_table("failure_streaks")
    op.drop_table("holds")
