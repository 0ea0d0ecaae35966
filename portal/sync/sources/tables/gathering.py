"""The lines of one document put together: the row it would be in a listing of the contract."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.errors import SyncError
from portal.sync.answers import one_line
from portal.sync.sources.files.paths import BadPath, parts_of
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.tables.columns import PATH, usual_name
from portal.sync.sources.tables.lines import Line, path_of

_FILES, _FILE_ID = usual_name("files"), usual_name("file_id")
_NAME, _URL = usual_name("name"), "downloadUrl"
_LONGEST_ID = 128
_CATEGORIES = {
    "cover": "cover",
    "invoice": "invoice",
    "attach": "attachment",
    "attachment": "attachment",
    "封面": "cover",
    "发票": "invoice",
    "附件": "attachment",
}


def table_profile(profile: ConnectorProfile) -> ConnectorProfile:
    """How a gathered row is read: the contract's names, the site's own words for categories."""
    return ConnectorProfile.from_mapping(
        {
            "categories": {**_CATEGORIES, **profile.categories},
            "time_format": "local",
            "page_size": profile.page_size,
        }
    )


def check_path(path: str) -> None:
    """Refuse a path that is not one below a folder or a prefix.

    :raises BadPath: saying why
    """
    parts_of(path)


def no_path_check(_path: str) -> None:
    """For paths that were made of safe parts already."""


def gathered(
    lines: Sequence[Line], check: Callable[[str], None]
) -> tuple[dict[str, Any], SyncError | None]:
    """The row of a document that has these lines, and the first thing wrong with them."""
    first = next((line for line in lines if line.problem is None), lines[0])
    problem = next((line.problem for line in lines if line.problem is not None), None)
    row = dict(first.document)
    files = []
    for line in lines:
        if problem is None and line.document != first.document:
            problem = _contradiction(first, line)
        for file in line.files:
            made, wrong = _file(line.number, file, check)
            files.append(made)
            problem = problem or wrong
    row[_FILES] = files
    return row, problem


def _file(
    number: int, said: Mapping[str, Any], check: Callable[[str], None]
) -> tuple[dict[str, Any], SyncError | None]:
    """A file without an id has its path for one, and its last part for a name."""
    path, problem = path_of(said), None
    try:
        check(path)
    except BadPath as error:
        shown = one_line(path, 300)
        problem = SyncError("META_BAD_PATH", line=number, path=shown, detail=str(error))
    file = {name: value for name, value in said.items() if name != PATH}
    if problem is None:
        file[_URL] = path
        file.setdefault(_NAME, path.rpartition("/")[2])
    file.setdefault(_FILE_ID, _id_of(path))
    return file, problem


def _id_of(path: str) -> str:
    if path and len(path) <= _LONGEST_ID:
        return path
    return "P-" + hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _contradiction(first: Line, line: Line) -> SyncError:
    names = [*first.document, *line.document]
    differing = next(name for name in names if first.document.get(name) != line.document.get(name))
    return SyncError("META_CONTRADICTION", line=line.number, first=first.number, field=differing)
