"""What office files and ZIPs tell: their properties, and what they hold."""

from __future__ import annotations

import zipfile

from portal.sync.checks.xml_text import elements
from portal.sync.checks.zipped import open_zip
from portal.sync.viewing.facts import Facts
from portal.sync.viewing.painter_child import PaintOrder

#: Core and extended properties (ECMA-376 part 2, 11 and part 1, 22.2) and our words for them.
_PROPERTIES = {
    "docProps/core.xml": {
        "title": "title",
        "creator": "author",
        "created": "created",
        "modified": "modified",
    },
    "docProps/app.xml": {"Application": "application", "Pages": "pages", "Slides": "pages"},
}
_MEMBERS_NAMED = 40


def draw(path: str, order: PaintOrder) -> Facts:
    """Read the facts; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    with open_zip(path) as archive:
        if order.kind == "ooxml":
            return Facts.made_of(_properties(archive))
        members = [info for info in archive.infolist() if not info.is_dir()]
        lines = [f"{info.filename}  {info.file_size:,} B" for info in members[:_MEMBERS_NAMED]]
        if len(members) > _MEMBERS_NAMED:
            lines.append("…")
    return Facts.made_of([("members", str(len(members)))], "\n".join(lines))


def _properties(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    named = []
    for member, words in _PROPERTIES.items():
        if member in archive.namelist():
            with archive.open(member) as content:
                named += [(words[one.name], one.text) for one in elements(content, *words)]
    return named
