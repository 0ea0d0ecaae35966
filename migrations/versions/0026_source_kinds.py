"""Kinds of sources with settings of their own; what a listing's pages were read from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
# Programs of before work on the kind there was, which the column says by itself; a source of
# another kind they hold with WORKER_FAILED until they are replaced.
works_since = "0022"


def upgrade() -> None:
    op.add_column(
        "data_sources",
        sa.Column("kind", sa.String(length=32), nullable=False, server_default="piaozone"),
    )
    op.add_column("data_sources", sa.Column("settings", sa.JSON(), nullable=True))
    op.add_column("data_sources", sa.Column("settings_box", sa.Text(), nullable=True))
    op.add_column("slices", sa.Column("source_version", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("slices", "source_version")
    for name in ("settings_box", "settings", "kind"):
        op.drop_column("data_sources", name)
