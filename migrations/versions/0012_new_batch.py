"""What a source offers to choose from, and batches that are preferred to others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STAMP = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "source_catalogues",
        sa.Column("data_source_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("read_at", STAMP, nullable=False),
        sa.Column("orgs", sa.JSON(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_source_id"],
            ["data_sources.id"],
            name=op.f("fk_source_catalogues_data_source_id"),
        ),
        sa.PrimaryKeyConstraint("data_source_id", name=op.f("pk_source_catalogues")),
    )
    with op.batch_alter_table("batches") as batch_op:
        batch_op.add_column(
            sa.Column("priority", sa.String(length=16), nullable=False, server_default="normal")
        )
    with op.batch_alter_table("batches") as batch_op:
        batch_op.alter_column("priority", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("batches") as batch_op:
        batch_op.drop_column("priority")
    op.drop_table("source_catalogues")
