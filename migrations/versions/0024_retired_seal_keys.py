"""Keys that signed seals before the secret key was replaced; no credentials of admins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
works_since = "0022"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_AT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade() -> None:
    op.create_table(
        "retired_seal_keys",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kept", sa.Text(), nullable=False),
        sa.Column("retired_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retired_seal_keys")),
    )
    # An address was kept as it is set, with a password if it had one. It is said anew every 30 s.
    registrations = sa.table("executor_registrations", sa.column("admin_address", sa.String))
    op.execute(registrations.delete().where(registrations.c.admin_address.contains("@")))


def downgrade() -> None:
    op.drop_table("retired_seal_keys")
