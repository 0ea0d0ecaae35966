from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portal.sync.archive.local import LocalArchive
from portal.sync.viewing.cache import RenditionCache
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.renditions import rendition


@pytest.fixture
def archive(tmp_path: Path) -> LocalArchive:
    return LocalArchive(tmp_path / "archive")


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[bytes], str]:
    """Puts bytes into the archive and names their key."""
    folder = tmp_path / "archive" / "erp"
    folder.mkdir(parents=True)

    def kept(content: bytes) -> str:
        name = f"{len(list(folder.iterdir())):02d}-invoice"
        (folder / name).write_bytes(content)
        return f"erp/{name}"

    return kept


@pytest.fixture
def cache(tmp_path: Path) -> RenditionCache:
    return RenditionCache(tmp_path / "cache" / "renditions")


@pytest.fixture
def look(
    archive: LocalArchive, keep: Callable[[bytes], str], cache: RenditionCache
) -> Callable[..., Rendition]:
    """Archives bytes and asks for their picture, with the arguments of :func:`rendition`."""

    def looked(content: bytes, kind: str, **how: Any) -> Rendition:
        return rendition(archive, keep(content), kind, cache=cache, **how)

    return looked
