"""What pages need of data sources and users: an imported state, the last change, a language."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STAMP = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.add_column("data_sources", sa.Column("imported_status", sa.String(length=64)))
    op.add_column("data_sources", sa.Column("changed_at", STAMP))
    op.add_column("users", sa.Column("locale", sa.String(length=16)))


def downgrade() -> None:
    op.drop_column("users", "locale")
    op.drop_column("data_sources", "changed_at")
    op.drop_column("data_sources", "imported_status")
