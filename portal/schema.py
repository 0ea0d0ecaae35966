"""The ledger's schema: bringing it up to date, and asking whether it is."""

from __future__ import annotations

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import upgrade as flask_migrate_upgrade

from portal.app import MIGRATIONS
from portal.ledger import Ledger


def upgrade(revision: str = "head") -> None:
    """Bring the current application's ledger to a revision; nothing happens when it is there."""
    flask_migrate_upgrade(directory=str(MIGRATIONS), revision=revision)


def is_current(ledger: Ledger) -> bool:
    """Whether the ledger has the newest revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    newest = ScriptDirectory.from_config(config).get_current_head()
    with ledger.read() as session:
        context = MigrationContext.configure(session.connection())
        return context.get_current_revision() == newest
