"""A manifest as the table of a source: read once for each version of it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from portal.errors import SyncError
from portal.sync.sources.files.base import FileStore
from portal.sync.sources.manifest.reading import read_manifest
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Scope
from portal.sync.sources.tables.columns import Names
from portal.sync.sources.tables.gathering import check_path, table_profile
from portal.sync.sources.tables.spool import Spool
from portal.sync.sources.tables.spool_making import SpoolMaker
from portal.sync.sources.tables.spools import Spools

_OF_FILES = frozenset({"SRC_FILE_MISSING", "SRC_FILE_UNSAFE", "SRC_FILE_UNREADABLE"})


class ManifestTable:
    """The manifest ``name`` of a store."""

    def __init__(
        self, store: FileStore, name: str, profile: ConnectorProfile, spools: Spools, home: Path
    ) -> None:
        self._store = store
        self._name = name
        self._profile = profile
        self._spools = spools
        self._home = home

    def check(self) -> None:
        """Whether it is there."""
        self._stamp()

    def spool(self, scope: Scope | None, page_no: int) -> Spool:
        """That of the manifest as it is now, whatever is asked for."""
        return self._spools.get(self._stamp(), self._make)

    def close(self) -> None:
        """Its store is closed by who opened it."""

    def _stamp(self) -> str:
        with self._about_the_manifest():
            return self._store.stamp(self._name)

    def _make(self, path: Path, on_step: Callable[[], None]) -> None:
        """From a copy: what is read must be one version of it, and S3 is asked only once."""
        with tempfile.TemporaryFile(dir=self._home) as content:
            with self._about_the_manifest():
                self._store.copy(self._name, content)
            content.seek(0)
            lines = read_manifest(self._name, content, Names.of(self._profile))
            with contextlib.closing(
                SpoolMaker(path, table_profile(self._profile), check_path, on_step)
            ) as maker:
                maker.make(lines)

    @contextlib.contextmanager
    def _about_the_manifest(self) -> Iterator[None]:
        """A missing manifest is no document's failure: it is said in words of its own."""
        try:
            yield
        except SyncError as error:
            if error.code not in _OF_FILES:
                raise
            detail = error.params.get("detail") or "不存在 not there"
            raise SyncError("SRC_MANIFEST", name=self._name, detail=detail) from None
