from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.browser.browser_rig import Portal, chromium


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """One for the tests of a module: what one module archived, another would find skipped."""
    portal = Portal(tmp_path_factory.mktemp("browser"), "--documents=24", "--months=1")
    yield portal
    portal.close()


# Not longer than a module: while it lasts, its thread has an event loop that runs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser
