"""A scene of pushing on each database there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.portal.ledger_scene import Scene
from tests.portal.tasks.pushing.push_scene import PushScene, push_scene


@pytest.fixture
def pushing(scene: Scene, tmp_path: Path) -> Iterator[PushScene]:
    with push_scene(scene, tmp_path) as made:
        yield made
