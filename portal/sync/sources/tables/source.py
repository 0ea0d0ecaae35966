"""A source that lists from a spool: everything of the contract that is not reading the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from portal.errors import SyncError
from portal.sync.sources.files.base import FilePlace
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Count, Named, Page, Scope
from portal.sync.sources.tables.gathering import table_profile
from portal.sync.sources.tables.spool import Spool
from portal.sync.sources.targets import Target

T = TypeVar("T")


class Table(Protocol):
    """Rows somewhere, that become a spool."""

    def check(self) -> None:
        """See that it is there; cheap.

        :raises SyncError: when it cannot be read
        """

    def spool(self, scope: Scope | None, page_no: int) -> Spool:
        """The spool to answer from.

        :param scope: what is asked for; None for everything there is
        :param page_no: 0 when no page is asked for; from the second page on the listing goes on
        """

    def close(self) -> None:
        """Let go of connections."""


class TableSource:
    """A :class:`portal.sync.sources.base.Source`; its methods are documented there."""

    def __init__(self, table: Table, place: FilePlace, profile: ConnectorProfile) -> None:
        self._table = table
        self._place = place
        self._profile = table_profile(profile)

    def count(self, scope: Scope) -> Count:
        """By the spool."""
        return self._asked(scope, 0, lambda spool: spool.count(scope))

    def page(self, scope: Scope, page_no: int) -> Page:
        """By the spool."""
        return self._asked(scope, page_no, lambda spool: spool.page(scope, page_no, self._profile))

    def organisations(self) -> tuple[Named, ...] | None:
        """Those that have documents."""
        return self._asked(None, 0, lambda spool: spool.named("org"))

    def bill_types(self) -> tuple[Named, ...] | None:
        """Those that have documents."""
        return self._asked(None, 0, lambda spool: spool.named("type"))

    def check(self) -> None:
        """The table and the place of the files."""
        self._table.check()
        self._place.check()

    def token(self) -> str:
        """There is none."""
        return ""

    def renew_token(self, stale: str) -> str:
        """There is none."""
        return stale

    def download_target(self, file_id: str, download_url: str | None) -> Target:
        """The path, below the place of the files."""
        if not download_url:
            raise SyncError("META_BAD_VALUE", field="path", value="")
        return self._place.target(download_url)

    def redirect_target(self, target: Target, location: str) -> Target:
        """As the place allows."""
        return self._place.redirect_target(target, location)

    def close(self) -> None:
        """Let go of the connections."""
        self._place.close()
        self._table.close()

    def _asked(self, scope: Scope | None, page_no: int, ask: Callable[[Spool], T]) -> T:
        """Ask the spool; one that was swept in this moment is made again, once."""
        try:
            return ask(self._table.spool(scope, page_no))
        except SyncError as error:
            if error.code != "SRC_SPOOL":
                raise
            return ask(self._table.spool(scope, page_no))
