"""Reading the older procedure's settings from ZooKeeper, as a chore."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.chores.desk import Desk
from portal.services import zookeeper_import
from portal.sync.sources.zookeeper import read_settings


def perform(desk: Desk) -> Mapping[str, Any]:
    """Read the four settings; what was found is kept sealed."""
    box = desk.portal.box
    return zookeeper_import.kept(read_settings(zookeeper_import.place_of(desk.params, box)), box)
