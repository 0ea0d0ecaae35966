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
    with op.batch_alter_table("data_sources", schema=None) as batch_op:
        batch_op.add_column(sa.Column("proxy_address", sa.String(length=300), nullable=True))
        batch_op.add_column(sa.Column("proxy_box", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("ca_pem", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("data_sources", schema=None) as batch_op:
        batch_op.drop_column("ca_pem")
        batch_op.drop_column("proxy_box")
        batch_op.drop_column("proxy_address")
