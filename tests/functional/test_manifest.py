"""A batch from a manifest over a folder, defects and all, until everything is in the archive."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest

from portal.cli import demo_manifest
from tests.functional.installation import Installation

assert demo_manifest  # what the forked commands need
pytestmark = pytest.mark.processes
Rows = list[dict[str, str]]


def rows_of(manifest: Path) -> Rows:
    with manifest.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(manifest: Path, rows: Rows) -> None:
    new = manifest.with_suffix(".new")
    with new.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    new.rename(manifest)


def sample(folder: Path) -> tuple[Rows, dict[str, Rows]]:
    """The manifest of sound documents, and its rows by document."""
    rows = [row for row in rows_of(folder / "manifest.csv") if row["scanBillNo"]]
    by_document: dict[str, Rows] = {}
    for row in rows:
        by_document.setdefault(row["scanBillNo"], []).append(row)
    return rows, by_document


def first_pdf(document: Rows) -> dict[str, str]:
    return next(row for row in document if row["path"].endswith(".pdf"))


def has_pdf(document: Rows) -> bool:
    return any(row["path"].endswith(".pdf") for row in document)


def plant(folder: Path, rows: Rows, documents: list[Rows]) -> dict[str, str]:
    """Spoil some documents; the code that each must fail with."""
    missing, digest, outside, cut, linked, apart, pipe = documents[:7]
    (folder / missing[0]["path"]).rename(folder / "away")
    digest[0].update(sha256="0" * 64, md5="")
    outside[0]["path"] = "../secret.pdf"
    broken = folder / first_pdf(cut)["path"]
    broken.write_bytes(broken.read_bytes()[:2000])
    link = folder / linked[0]["path"]
    link.rename(folder / "real")
    link.symlink_to(folder / "real")
    apart.append({**apart[0], "path": "another.pdf", "fileId": "f-x", "totalAmount": "1.00"})
    rows.append(apart[-1])
    place = folder / pipe[0]["path"]
    place.rename(folder / "held")
    os.mkfifo(place)
    codes = (
        "SRC_FILE_MISSING", "FILE_DIGEST_MISMATCH", "META_BAD_PATH", "FILE_CORRUPT",
        "SRC_FILE_UNSAFE", "META_CONTRADICTION", "SRC_FILE_UNSAFE",
    )  # fmt: skip
    return {
        document[0]["scanBillNo"]: code for document, code in zip(documents, codes, strict=False)
    }


def mend(folder: Path, kept: Path, sound: Rows) -> None:
    """Everything is as it was, the manifest last."""
    for row in sound:
        path = folder / row["path"]
        path.unlink(missing_ok=True)
        shutil.copy(kept / row["path"], path)
    write_rows(folder / "manifest.csv", sound)


def test_each_defect_fails_with_its_code_and_when_mended_all_is_archived(
    site: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    site.run("db", "upgrade")
    options = ("--documents=24", "--months=1", "--mean-size=40000")
    assert site.run("demo-manifest", str(folder), *options).code == 0
    rows, by_document = sample(folder)
    healthy = [of for number, of in enumerate(by_document.values()) if number not in DEFECTIVE]
    # One with a PDF of which nothing is declared comes fourth.
    healthy.insert(3, healthy.pop(next(at for at, of in enumerate(healthy) if has_pdf(of))))
    first_pdf(healthy[3]).update(fileSize="", sha256="", md5="")
    rows = [row for of in healthy for row in of]
    sound = [dict(row) for row in rows]
    shutil.copytree(folder, tmp_path / "kept")
    codes = plant(folder, rows, healthy)
    write_rows(folder / "manifest.csv", rows)
    added = site.run("source", "add", "清单", "--kind", "manifest", "--set", f"place={folder}")
    assert added.code == 0, added
    batch = site.create_batch("2024-01-01", "2024-01-31", source="清单")
    site.run("batch", "run", batch)
    site.start("worker")
    site.start("agent")
    site.wait_until_ended(batch)
    report = site.show(batch)
    assert (report["total"], report["failed"]) == (len(healthy), len(codes))
    assert {cause["code"]: cause["count"] for cause in report["failures"]} == {
        code: [*codes.values()].count(code) for code in codes.values()
    }
    assert report["synced"] == len(healthy) - len(codes)
    assert not any("secret" in path.name for path in site.archive.rglob("*"))
    # The missing one is elsewhere, as the manifest now says: its listing is read again.
    lost = next(row for row in sound if row["path"] == healthy[0][0]["path"])
    lost["path"] = f"moved{Path(lost['path']).suffix}"
    (tmp_path / "kept" / healthy[0][0]["path"]).rename(tmp_path / "kept" / lost["path"])
    mend(folder, tmp_path / "kept", sound)
    assert site.run("batch", "retry", batch).code == 0
    site.run("batch", "run", batch)
    site.wait_until_ended(batch)
    report = site.show(batch)
    assert (report["synced"], report["failed"]) == (len(healthy), 0), report["failures"]
    checked = site.json("verify")
    assert checked["documents"] == len(healthy)
    ended = site.run("reconcile", "--source", "清单", "--from", "2024-01", "--json")
    assert ended.code == 0, [ended, *(p.read_text() for p in site.home.glob("logs/error*"))]


#: Where the sample's own defects are: see ``portal.demo.defects``.
DEFECTIVE = {2, 6, 10, 14, 18, 22}
