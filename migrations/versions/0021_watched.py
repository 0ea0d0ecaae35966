"""Heartbeats of all processes, and failures counted by their code."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STAMP = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "process_beats",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=80), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", STAMP, nullable=False),
        sa.Column("seen_at", STAMP, nullable=False),
        sa.Column("memory_bytes", BIG_ID, nullable=False),
        sa.Column("threads", sa.Integer(), nullable=False),
        sa.Column("open_files", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_process_beats")),
    )
    op.create_table(
        "failure_counts",
        sa.Column("batch_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("fk_failure_counts_batch_id")
        ),
        sa.PrimaryKeyConstraint("batch_id", "code", name=op.f("pk_failure_counts")),
    )
    # What has failed and is failed still; what was retried meanwhile nobody counted.
    op.execute(
        "INSERT INTO failure_counts (batch_id, code, failures) "
        "SELECT batch_id, error_code, COUNT(*) FROM batch_items "
        "WHERE status = 'failed' AND error_code IS NOT NULL GROUP BY batch_id, error_code"
    )


def downgrade() -> None:
    op.drop_table("failure_counts")
    op.drop_table("process_beats")
