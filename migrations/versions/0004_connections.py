"""outbound proxy and private CA of a data source

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not by copying the table, as other tables refer to it.
    op.add_column("data_sources", sa.Column("proxy_address", sa.String(length=300), nullable=True))
    op.add_column("data_sources", sa.Column("proxy_box", sa.Text(), nullable=True))
    op.add_column("data_sources", sa.Column("ca_pem", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("data_sources", "ca_pem")
    op.drop_column("data_sources", "proxy_box")
    op.drop_column("data_sources", "proxy_address")
