"""The kinds of source there are: one line for each."""

from __future__ import annotations

from portal.errors import InvalidSetting
from portal.sync.sources import piaozone
from portal.sync.sources.kind import SourceKind
from portal.sync.sources.manifest import kind as manifest
from portal.sync.sources.sql import kind as sql

#: In the order of the page; the first is what a source is that says nothing else.
KINDS: dict[str, SourceKind] = {
    kind.name: kind
    for kind in (
        piaozone.KIND,
        manifest.KIND,
        sql.KIND,
    )
}  # fmt: skip
USUAL = next(iter(KINDS))


def kind_of(name: str) -> SourceKind:
    """The kind of that name.

    :raises InvalidSetting: when there is none
    """
    kind = KINDS.get(name)
    if kind is None:
        known = ", ".join(KINDS)
        raise InvalidSetting(
            f"没有数据源类型 {name}；有 {known}", f"no kind {name}; there are {known}"
        )
    return kind
