"""months are found by their name, across batches"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_slices_month"), "slices", ["month"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_slices_month"), table_name="slices")
