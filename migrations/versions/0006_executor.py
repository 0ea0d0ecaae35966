"""Dialects, causes, deliveries and names to lock of the executor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


# Column by column and not by copying the table: dropping the old copy would take the log lines
# of all runs with it.


def upgrade() -> None:
    for column in (
        sa.Column("dialect", sa.String(length=16), server_default="run", nullable=False),
        sa.Column("cause", sa.String(length=16), nullable=True),
        sa.Column("delivering_until", sa.BigInteger(), nullable=True),
        sa.Column("log_chars", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("logged_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("executor_runs", column)
    op.create_index(op.f("ix_executor_runs_ended_at"), "executor_runs", ["ended_at"], unique=False)
    op.execute(
        "UPDATE executor_runs SET log_chars ="
        " (SELECT COALESCE(SUM(LENGTH(text)), 0) FROM executor_log_lines"
        " WHERE run_id = executor_runs.id)"
    )
    op.create_table(
        "executor_agents",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_executor_agents")),
    )
    op.create_table(
        "executor_locks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_executor_locks")),
    )


def downgrade() -> None:
    op.drop_table("executor_locks")
    op.drop_table("executor_agents")
    op.drop_index(op.f("ix_executor_runs_ended_at"), table_name="executor_runs")
    for name in ("logged_at", "log_chars", "delivering_until", "cause", "dialect"):
        op.drop_column("executor_runs", name)
