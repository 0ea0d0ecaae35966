"""A backup that somebody else made, and signed with a key it brings along."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portal.errors import SyncError
from portal.seal_key import SealKey
from portal.services.backup import ledger_copy
from portal.services.backup.making import DAMAGED, HOME, LIST
from portal.services.backup.manifest import KeptArchive, KeptFile, Manifest, kept_file
from portal.services.backup.restoring import FoundBackup, check, find

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
KEY = SealKey("k" * 32)
DIGEST = "0" * 64


def no_matter(_step: str, _done: int, _total: int | None) -> None:
    pass


def written(folder: Path, files: tuple[KeptFile, ...] = ()) -> Path:
    """A signed backup of no tables, with these files and an archive of one."""
    Manifest(
        name=folder.name, as_of=NOW, made_by="x", host="h", version="1", revision="x",
        database="sqlite", timezone="UTC", anchor=None, has_key=True, tables=(), files=files,
        archive=KeptArchive(1, 6, 0),
    ).write(folder, KEY)  # fmt: skip
    return folder


@pytest.mark.parametrize("way", ["{}", "./{}", "//{}", "run//{}", "run/.", "run/", "../x", ""])
def test_no_file_of_the_home_leads_out_of_it(tmp_path: Path, way: str) -> None:
    """``home//etc/passwd`` is a path below the backup, and what is behind ``home/`` is not."""
    victim = tmp_path / "elsewhere" / "file"
    path = f"{HOME}/{way.format(victim)}"
    inside = tmp_path / f"{HOME}{victim}"
    inside.parent.mkdir(parents=True)
    inside.write_text("owned")
    digest = kept_file(tmp_path, str(inside.relative_to(tmp_path))).sha256
    with pytest.raises(SyncError) as error:
        find(written(tmp_path, (KeptFile(path, 5, digest),)))
    assert error.value.code == "BACKUP_UNREADABLE"


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["s/2024-01/1/00.txt"],
        ["s/2024-01/1/00.txt", 6],
        [7, 6, DIGEST],
        ["s/2024-01/1/00.txt", "6", DIGEST],
        ["s/2024-01/1/00.txt", True, DIGEST],
        ["s/2024-01/1/00.txt", 6, 7],
        ["s/2024-01/1/00.txt", 6, None],
        ["s/2024-01/1/00.txt", 6, "/dev/null"],
        ["s/2024-01/1/00.txt", 6, f"../../{DIGEST}"],
        ["s/2024-01/1/00.txt", 6, f"{DIGEST}\n"],
    ],
    ids=json.dumps,
)
def test_a_list_that_is_none_is_told_before_anything_it_names_is_opened(
    tmp_path: Path, line: list[Any]
) -> None:
    ledger_copy.write_list(tmp_path / LIST, [line])
    ledger_copy.write_list(tmp_path / DAMAGED, [])
    files = tuple(kept_file(tmp_path, name) for name in (LIST, DAMAGED))
    with pytest.raises(SyncError) as error:
        check(find(written(tmp_path, files)), no_matter)
    assert error.value.code == "BACKUP_DAMAGED"
    assert error.value.params["path"] == LIST


def test_a_list_of_damaged_files_that_is_none_is_told(tmp_path: Path) -> None:
    ledger_copy.write_list(tmp_path / LIST, [])
    ledger_copy.write_list(tmp_path / DAMAGED, [[["a"]]])
    files = tuple(kept_file(tmp_path, name) for name in (LIST, DAMAGED))
    found: FoundBackup = find(written(tmp_path, files))
    with pytest.raises(SyncError) as error:
        check(found, no_matter)
    assert error.value.params["path"] == DAMAGED
