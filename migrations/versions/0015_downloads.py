"""文件下载 and 导出: which items somebody wants at once, and the exports that were made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STAMP = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("batch_items", sa.Column("wanted_by", BIG_ID, nullable=True))
    op.create_index(
        "ix_batch_items_wanted",
        "batch_items",
        ["wanted_by", "batch_id", "status", "next_try_at"],
        unique=False,
        sqlite_where=sa.text("wanted_by IS NOT NULL"),
        postgresql_where=sa.text("wanted_by IS NOT NULL"),
    )
    op.create_table(
        "exports",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("asked_by", sa.String(length=80), nullable=False),
        sa.Column("asked_at", STAMP, nullable=False),
        sa.Column("chore_id", BIG_ID, nullable=True),
        sa.Column("as_of", STAMP, nullable=True),
        sa.Column("made_at", STAMP, nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("file", sa.String(length=160), nullable=True),
        sa.Column("anchor", sa.String(length=160), nullable=True),
        sa.Column("removed_at", STAMP, nullable=True),
        sa.Column("removed_by", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )


def downgrade() -> None:
    op.drop_table("exports")
    op.drop_index("ix_batch_items_wanted", table_name="batch_items")
    op.drop_column("batch_items", "wanted_by")
