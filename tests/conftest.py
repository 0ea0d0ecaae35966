"""What every test begins with."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import hypothesis
import pytest

from portal.logs.redaction import redactor

# What a busy machine makes of an example's time is nobody's fault.
hypothesis.settings.register_profile("portal", deadline=None)
hypothesis.settings.load_profile("portal")


def pytest_collection_finish() -> None:
    """Leave what was collected to no later collection of garbage: it is the most there is."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _secrets_of_one_test() -> Iterator[None]:
    """Forget what a test made this process learn, or its words vanish from another one's texts."""
    known = redactor._known.copy()
    yield
    redactor._known, redactor._pattern = known, None
