from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.offline_folder import make_wheelhouse


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Takes a minute to make, so that there is one for all tests."""
    return make_wheelhouse(tmp_path_factory.mktemp("wheelhouse"))
