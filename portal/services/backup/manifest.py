"""``manifest.json``: what a backup consists of, signed with the key of the trail's seals."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from portal.errors import SyncError
from portal.seal_key import SealKey
from portal.services.backup.rows import Column, DumpedTable

NAME, SIGNATURE = "manifest.json", "manifest.mac"
FORM = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the backup by its path below the backup's folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class KeptTable:
    """A table of the ledger; ``sha256`` is that of its lines before they were compressed."""

    table: DumpedTable
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class KeptArchive:
    """The archived documents' files, as :mod:`portal.services.backup.store` keeps them.

    ``damaged`` counts those that were missing or changed in the archive when it was copied.
    """

    files: int
    bytes: int
    damaged: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup. ``tables`` stand in the order in which they can be filled again.

    ``has_key``: whether the secret key is in it; otherwise whoever restores brings it.
    ``anchor`` is the trail's newest in the ledger that was copied; ``archive`` None when the
    documents' files were left to others.
    """

    name: str
    as_of: datetime
    made_by: str
    host: str
    version: str
    revision: str
    database: str
    timezone: str
    anchor: str | None
    has_key: bool
    tables: tuple[KeptTable, ...]
    files: tuple[KeptFile, ...]
    archive: KeptArchive | None

    def write(self, folder: Path, key: SealKey) -> None:
        """Write and sign it; on disk when this returns."""
        text = json.dumps({"form": FORM, **asdict(self)}, ensure_ascii=False, indent=1, default=str)
        data = text.encode()
        _write(folder / NAME, data)
        _write(folder / SIGNATURE, key.mac(hashlib.sha256(data).hexdigest()).encode())


def read(folder: Path) -> Manifest:
    """The manifest of a backup; nothing is verified yet.

    :raises SyncError: BACKUP_UNREADABLE
    """
    try:
        return _manifest(json.loads((folder / NAME).read_bytes()))
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise SyncError("BACKUP_UNREADABLE", path=str(folder / NAME), detail=_why(error)) from error


def is_signed(folder: Path, key: SealKey) -> bool:
    """Whether this key signed the manifest that lies there."""
    try:
        mac = (folder / SIGNATURE).read_text("ascii", "replace").strip()
        digest = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    except OSError:
        return False
    return key.signed(digest, mac)


def kept_file(folder: Path, path: str) -> KeptFile:
    """What there is of a file below the backup's folder.

    :raises OSError: when it cannot be read
    """
    digest, size = hashlib.sha256(), 0
    with (folder / path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return KeptFile(path, size, digest.hexdigest())


def damaged_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Files of the backup that are not what the manifest says."""
    for file in manifest.files:
        try:
            found = kept_file(folder, file.path)
        except OSError:
            yield file.path
            continue
        if found != file:
            yield file.path


def _manifest(values: Mapping[str, Any]) -> Manifest:
    if values["form"] != FORM:
        raise ValueError(f"form {values['form']}")
    tables = tuple(
        KeptTable(_table(one["table"]), one["rows"], one["sha256"]) for one in values["tables"]
    )
    archive = values["archive"]
    others = {name: value for name, value in values.items() if name != "form"}
    manifest = Manifest(
        **others
        | {
            "as_of": datetime.fromisoformat(values["as_of"]),
            "tables": tables,
            "files": tuple(KeptFile(**one) for one in values["files"]),
            "archive": None if archive is None else KeptArchive(**archive),
        }
    )
    _check_kinds(manifest)
    return manifest


def _table(kept: list[Any]) -> DumpedTable:
    name, columns, key = kept
    table = DumpedTable(name, tuple(Column(*column) for column in columns), tuple(key))
    _check_texts(name, *key, *(text for column in table.columns for text in column))
    table.table()  # which knows what kinds of column there are
    return table


def _check_kinds(manifest: Manifest) -> None:
    """Whoever goes by the manifest counts, and opens files below the backup's folder only.

    :raises ValueError: when something in it is of another kind, or a path leads elsewhere
    """
    files, tables, archive = manifest.files, manifest.tables, manifest.archive
    _check_texts(
        *(manifest.name, manifest.made_by, manifest.host, manifest.version, manifest.revision),
        *(manifest.database, manifest.timezone, manifest.anchor or ""),
        *(text for file in files for text in (file.path, file.sha256)),
        *(kept.sha256 for kept in tables),
    )
    counts = [*(file.bytes for file in files), *(kept.rows for kept in tables)]
    if archive is not None:
        counts += [archive.files, archive.bytes, archive.damaged]
    if any(type(count) is not int or count < 0 for count in counts):
        raise ValueError("a count that is none")
    if any(_leads_elsewhere(file.path) for file in files):
        raise ValueError("a path out of the folder")


def _check_texts(*texts: object) -> None:
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a text that is none")


def _leads_elsewhere(path: str) -> bool:
    """Also a path of which the rest does, behind any of its folders: ``home//etc``."""
    return "\x00" in path or not {"", ".", ".."}.isdisjoint(path.split("/"))


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
