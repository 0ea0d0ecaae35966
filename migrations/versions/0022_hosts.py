"""Several hosts: whose key the ledger was begun with, addresses by host, chores asked for once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
# The executor of releases before keeps its registrations in another form.
works_since = "0022"

_AT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_fingerprint", sa.String(length=32), nullable=False),
        sa.Column("token_fingerprint", sa.String(length=32), nullable=True),
        sa.Column("noted_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "duties",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("until", _AT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duties")),
    )
    op.add_column("sample_documents", sa.Column("copies", sa.String(length=80), nullable=True))
    op.add_column("chores", sa.Column("unfinished_key", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_chores_unfinished_key"), "chores", ["unfinished_key"], unique=True)
    op.add_column(
        "executor_agents",
        sa.Column("address", sa.String(length=255), server_default="", nullable=False),
    )
    # What admins said is said anew every 30 s: nothing is carried over.
    op.drop_table("executor_registrations")
    _registrations("admin_address", "executor_address")


def downgrade() -> None:
    op.drop_table("executor_registrations")
    _registrations("admin_address")
    with op.batch_alter_table("executor_agents") as table:
        table.drop_column("address")
    op.drop_index(op.f("ix_chores_unfinished_key"), table_name="chores")
    with op.batch_alter_table("sample_documents") as table:
        table.drop_column("copies")
    with op.batch_alter_table("chores") as table:
        table.drop_column("unfinished_key")
    op.drop_table("duties")
    op.drop_table("installation")


def _registrations(*key: str) -> None:
    op.create_table(
        "executor_registrations",
        sa.Column("admin_address", sa.String(length=255), nullable=False),
        sa.Column("executor_address", sa.String(length=255), nullable=False),
        sa.Column("attempted_at", sa.BigInteger(), nullable=False),
        sa.Column("succeeded_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_executor_registrations")),
    )
