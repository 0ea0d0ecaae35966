from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.sync.archive.stores import STORES, Store, opened_store


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty archive of each kind in turn."""
    with opened_store(request.param, tmp_path) as store:
        yield store
