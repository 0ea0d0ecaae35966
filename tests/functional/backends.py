"""What an installation stands on: files of its own, or places of its own on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.functional.seen import SeenArchive, SeenBucket, SeenFolder, SeenLedger, seen_ledger
from tests.portal.conftest import SERVERS
from tests.portal.sync.archive.stores import bucket
from tests.portal.tasks.queue_places import place_of

DATABASES = ("sqlite", "postgresql", "mariadb")
QUEUES = ("sqlite", "redis", "postgresql")
ARCHIVES = ("local", "s3")


@dataclass(frozen=True)
class Kinds:
    """Of what kind each part is; by default files, as the settings have them by default."""

    database: str = "sqlite"
    queue: str = "sqlite"
    archive: str = "local"


@dataclass(frozen=True)
class Backends:
    """The parts, all empty at first.

    :ivar settings: that name them
    """

    settings: dict[str, str]
    ledger: SeenLedger
    archive: SeenArchive


@contextmanager
def opened_backends(kinds: Kinds, home: Path) -> Iterator[Backends]:
    """The parts of an installation with this home, or shared by several hosts.

    A queue in a file is each home's own, which the settings find by themselves.
    Of a server that the environment does not name the test skips.
    """
    with ExitStack() as stack:
        if kinds.database == "sqlite":
            database_url = f"sqlite:///{home / 'ledger.db'}"
        else:
            database_url = stack.enter_context(SERVERS[kinds.database]())
        archive: SeenArchive = SeenFolder(home / "archive")
        if kinds.archive == "s3":
            looking = home.with_name(f"{home.name}-looking")
            archive = SeenBucket(stack.enter_context(bucket()), looking)
        settings = {"PORTAL_DATABASE_URL": database_url, **archive.settings}
        if kinds.queue != "sqlite":
            settings["PORTAL_QUEUE_URL"] = stack.enter_context(place_of(kinds.queue, home)).url
        yield Backends(settings, stack.enter_context(seen_ledger(database_url)), archive)
