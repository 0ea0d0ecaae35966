"""What every test begins with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portal.logs.redaction import redactor


@pytest.fixture(autouse=True)
def _secrets_of_one_test() -> Iterator[None]:
    """Forget what a test made this process learn, or its words vanish from another one's texts."""
    known = redactor._known.copy()
    yield
    redactor._known, redactor._pattern = known, None
