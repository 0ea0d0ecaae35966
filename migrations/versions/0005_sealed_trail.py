"""sealed trail: where events come from, seals, verifications, and triggers that refuse changes

A later revision that copies audit_events or audit_seals on SQLite (batch mode with recreate)
loses the triggers and has to create them again.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SEALED = ("audit_events", "audit_seals")
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("audit_events", sa.Column("origin", sa.String(length=80), nullable=True))
    op.create_table(
        "audit_seals",
        sa.Column("no", _ID, autoincrement=False, nullable=False),
        sa.Column("form", sa.SmallInteger(), nullable=False),
        sa.Column("sealed_at", _AT, nullable=False),
        sa.Column("first_id", _ID, nullable=False),
        sa.Column("last_id", _ID, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", _ID, nullable=False),
        sa.Column("reached_id", _ID, nullable=False),
        sa.Column("ids", sa.Text(), nullable=False),
        sa.Column("open_gaps", sa.Text(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("no", name=op.f("pk_audit_seals")),
    )
    op.create_table(
        "audit_checks",
        sa.Column("id", _ID, nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", _AT, nullable=False),
        sa.Column("lease_owner", sa.String(length=80), nullable=True),
        sa.Column("lease_expires_at", _AT, nullable=True),
        sa.Column("checked", _ID, nullable=False),
        sa.Column("total", _ID, nullable=False),
        sa.Column("ended_at", _AT, nullable=True),
        sa.Column("is_sound", sa.Boolean(), nullable=True),
        sa.Column("report", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_checks")),
    )
    match op.get_context().dialect.name:
        case "sqlite":
            _refuse_changes_on_sqlite()
        case "postgresql":
            _refuse_changes_on_postgresql()
        case "mysql" | "mariadb":
            _refuse_changes_on_mysql()


def downgrade() -> None:
    dialect = op.get_context().dialect.name
    for table in SEALED:
        if dialect in ("sqlite", "mysql", "mariadb"):
            op.execute(f"DROP TRIGGER {table}_no_update")
            op.execute(f"DROP TRIGGER {table}_no_delete")
        elif dialect == "postgresql":
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    if dialect == "postgresql":
        op.execute("DROP FUNCTION audit_append_only()")
    op.drop_table("audit_checks")
    op.drop_table("audit_seals")
    op.drop_column("audit_events", "origin")


def _refuse_changes_on_sqlite() -> None:
    for table in SEALED:
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def _refuse_changes_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in SEALED:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )


def _refuse_changes_on_mysql() -> None:
    """TRUNCATE fires no trigger there; it takes the right to drop the table."""
    for table in SEALED:
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} FOR EACH ROW "
                f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{table} is append-only'"
            )
