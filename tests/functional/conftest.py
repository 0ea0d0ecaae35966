from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.functional.installation import DemoSource, Installation


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell starts what runs in its background deaf to SIGINT, and so would be all we start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
