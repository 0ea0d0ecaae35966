from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.functional.installation import DemoSource, Installation


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """An empty installation; nothing of it runs after the test."""
    installation = Installation(tmp_path / "home")
    yield installation
    installation.kill_all()


@pytest.fixture
def start_source(tmp_path: Path) -> Iterator[Callable[..., DemoSource]]:
    """Starts demo sources, outside of the site, so that they outlive what is done to it."""
    place = Installation(tmp_path / "source")
    yield lambda *options: DemoSource(place, *options)
    place.kill_all()
