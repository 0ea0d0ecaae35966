"""The demo tenant as a folder: its files, a manifest of them in both forms, and a database."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portal.demo.options import DemoOptions
from portal.demo.tenant import Filter, Tenant

_PAGE = 500
_OF_DOCUMENT = (
    "scanBillNo", "billNo", "fbillTypeCode", "fbillTypeDes", "fapplyOrganizationCode",
    "fapplyOrganizationName", "fapplyUserName", "collectTime", "totalAmount", "resource",
)  # fmt: skip
_OF_FILE = (
    "fileId", "fileType", "seq", "fileName", "fileSuffix", "fileSize", "sha256", "md5",
    "pageCount", "path",
)  # fmt: skip
_DATABASE = """
CREATE TABLE bills (image_no TEXT, bill_no TEXT, type_code TEXT, type_name TEXT, org_code TEXT,
    org_name TEXT, applicant TEXT, collected TEXT, amount TEXT, resource TEXT);
CREATE TABLE images (image_no TEXT, file_id TEXT, category TEXT, seq INTEGER, name TEXT,
    suffix TEXT, size INTEGER, sha256 TEXT, md5 TEXT, pages INTEGER, place TEXT);
"""


def write_tables(options: DemoOptions, folder: Path) -> tuple[int, int]:
    """Fill a new or empty folder; how many documents and files there are.

    :raises OSError: when it cannot be written, ``FileExistsError`` when something is in it
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    tenant = Tenant(options)
    documents = files = 0
    with (
        (folder / "manifest.csv").open("w", encoding="utf-8-sig", newline="") as cells,
        (folder / "manifest.jsonl").open("w", encoding="utf-8") as objects,
        closing(sqlite3.connect(folder / "imaging.db")) as database,
    ):
        database.executescript(_DATABASE)
        table = csv.DictWriter(cells, (*_OF_DOCUMENT, *_OF_FILE), extrasaction="ignore")
        table.writeheader()
        for row in _rows(tenant):
            documents += 1
            for file in row["files"]:
                file["path"] = _written(tenant, folder, file)
                table.writerow({**row, **file})
                database.execute(
                    "INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [row.get("scanBillNo"), *(file.get(name) for name in _OF_FILE)],
                )
                file.pop("downloadUrl")
                files += 1
            objects.write(json.dumps(row, ensure_ascii=False) + "\n")
            values = [row.get(name) for name in _OF_DOCUMENT]
            database.execute("INSERT INTO bills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        database.commit()
    return documents, files


def _rows(tenant: Tenant) -> Iterator[dict[str, Any]]:
    everything = Filter(datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    page_no = 1
    while rows := tenant.page(everything, page_no, _PAGE, "")[1]:
        yield from rows
        page_no += 1


def _written(tenant: Tenant, folder: Path, row: dict[str, Any]) -> str:
    """The path of a file, written below the folder."""
    file_id = row["fileId"]
    path = f"files/{file_id[2:6]}/{file_id}.{row['fileSuffix']}"
    stored = tenant.file(file_id)
    if stored is not None:
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            file.writelines(stored.parts)
    return path
