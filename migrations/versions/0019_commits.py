"""Commits: what tells whether a transaction got through whose connection was lost at its end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_commits",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_ledger_commits")),
    )
    op.create_index(op.f("ix_ledger_commits_at"), "ledger_commits", ["at"], unique=False)


def downgrade() -> None:
    op.drop_table("ledger_commits")
