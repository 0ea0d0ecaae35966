"""A batch of hostile rows and files between good documents, moved by a real installation."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

import tests.portal.sync.checks.check_samples as samples
from portal.sync.answers import CONTROLS
from tests.faults.hostile_source import HostileSource, Row, make_row
from tests.functional.installation import Installation
from tests.portal.sync.checks.hostile_samples import HOSTILE

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

GOOD = samples.good_files()
SPOILS = {
    "nul": "a\0b",
    "newline": "a\nb",
    "bidi": "a\u202egpj.exe",
    "surrogate": "a\ud800b",
    "long": "长" * 5_000,
}
TEXTS = (
    "billNo",
    "fbillTypeCode",
    "fbillTypeDes",
    "fapplyOrganizationCode",
    "fapplyOrganizationName",
    "fapplyUserName",
    "collectTime",
    "totalAmount",
    "resource",
)
TEXTS_OF_A_FILE = ("fileId", "fileType", "fileName", "fileSuffix", "sha256", "md5", "downloadUrl")
PATHS = (
    "../../etc/passwd.txt",
    "..\\..\\win.txt",
    "/etc/passwd.txt",
    "C:\\boot.txt",
    "\\\\server\\share\\a.txt",
    "a/../../b.txt",
)
SUFFIXES = ("../txt", "/txt", "\\\\server\\txt", "t/../xt")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "home", settings={"PORTAL_WORKERS": "1"})
    yield installation
    installation.kill_all()


def spoiled_rows() -> Iterator[tuple[str, Row]]:
    """Rows whose texts are hostile, each with the field that is to be named."""
    body = GOOD["a.txt"]
    for kind, text in SPOILS.items():
        for field in TEXTS:
            yield field, make_row(f"T-{field}-{kind}", body, "a.txt", **{field: text})
        for field in TEXTS_OF_A_FILE:
            number = f"T-{field}-{kind}"
            yield field, make_row(number, body, "a.txt", file={field: text})
        yield "scanBillNo", make_row(f"{text}-no", body, "a.txt")
    for place, path in enumerate(PATHS):
        yield "fileName", make_row(f"P-{place}", body, "a.txt", file={"fileName": path})
    for place, suffix in enumerate(SUFFIXES):
        yield "fileSuffix", make_row(f"S-{place}", body, "a.txt", file={"fileSuffix": suffix})


def listed() -> tuple[list[Row], dict[str, bytes], dict[str, str], list[str]]:
    """Rows, bodies by file id, the code or field each hostile number must fail with, the good."""
    hostile: list[Row] = []
    bodies: dict[str, bytes] = {}
    expected: dict[str, str] = {}
    for file in HOSTILE:
        number = f"H-{file.name}"
        body = file.make()
        hostile.append(make_row(number, body, file.name))
        bodies[f"f-{number}"] = body
        expected[number] = file.code
    for field, row in spoiled_rows():
        hostile.append(row)
        expected[row["scanBillNo"]] = field
    rows, good = [], []
    names = sorted(GOOD)
    for position, row in enumerate(hostile):
        name = names[position % len(names)]
        number = f"G-{position:03}"
        rows += [row, make_row(number, GOOD[name], name)]
        bodies[f"f-{number}"] = GOOD[name]
        good.append(number)
    return rows, bodies, expected, good


def outcomes(site: Installation) -> dict[str, tuple[str, str, dict[str, str]]]:
    """Status, error code and its parameters of every document, by its number."""
    query = (
        "SELECT d.image_no, i.status, coalesce(i.error_code, ''), i.error_params"
        " FROM batch_items i JOIN documents d ON d.id = i.document_id"
    )
    with closing(sqlite3.connect(site.home / "ledger.db", timeout=10)) as ledger:
        return {
            number: (status, code, json.loads(params or "{}") or {})
            for number, status, code, params in ledger.execute(query)
        }


def pages(site: Installation, batch: str, numbers: int) -> str:
    """The pages of the batch that show failures, one behind the other."""
    assert site.run("user", "passwd", "admin", USER_PASSWORD="hostile-files-1").code == 0
    with requests.Session() as browser:
        form = browser.get(f"{site.address}/login", timeout=10).text
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
        assert token is not None
        answer = browser.post(
            f"{site.address}/login",
            data={"csrf_token": token[1], "name": "admin", "password": "hostile-files-1"},
            timeout=10,
        )
        assert answer.url == f"{site.address}/", answer.text
        texts = [browser.get(f"{site.address}/batches/{batch}/failures", timeout=10).text]
        after = "0"
        for _ in range(numbers):
            page = browser.get(
                f"{site.address}/batches/{batch}/documents",
                params={"status": "failed", "after": after},
                timeout=10,
            )
            assert page.status_code == 200
            texts.append(page.text)
            for link in set(re.findall(r'href="(/documents/\d+)[?"]', page.text)):
                document = browser.get(f"{site.address}{link}", timeout=10)
                assert document.status_code == 200
                texts.append(document.text)
            more = [int(place) for place in re.findall(r"after=(\d+)", page.text)]
            if max(more, default=0) <= int(after):
                assert len(texts) > numbers / 3, "documents were looked at"
                return "".join(texts)
            after = str(max(more))
    raise AssertionError("the list of failures has no end")


def test_hostile_batch_fails_by_name_and_the_good_between_arrive(site: Installation) -> None:
    rows, bodies, expected, good = listed()
    with HostileSource(rows, bodies) as source:
        site.run("db", "upgrade")
        site.start_up()
        workers = site.processes("worker")
        assert workers
        added = site.run(
            *("source", "add", "hostile", "--url", source.url, "--client-id", source.client_id),
            CLIENT_SECRET=source.client_secret,
        )
        assert added.code == 0, added
        batch = site.create_batch("2024-01-01", "2024-01-31", source="hostile")
        assert site.run("batch", "run", batch).code == 0
        report = site.wait_until_ended(batch)
        assert workers == site.processes("worker")
    found = outcomes(site)
    assert (report["done"], report["failed"]) == (len(good), len(expected))
    assert {number for number, one in found.items() if one[0] == "synced"} == set(good)
    unnamed = [one for number, one in found.items() if number.startswith("ROW-")]
    assert [(one[1], one[2]["field"]) for one in unnamed] == [("META_BAD_VALUE", "scanBillNo")] * 5
    for number, wanted in expected.items():
        if wanted == "scanBillNo":
            continue
        status, code, params = found[number]
        assert status == "failed", number
        assert wanted in (code, params.get("field")), (number, code, params)
        assert code in (wanted, "META_BAD_VALUE"), (number, code, params)
    folders = {folder.name.partition("@")[0] for folder in site.archived_folders()}
    assert folders == set(good)
    assert site.incoming_files() == []
    verified = site.json("verify")
    assert (verified["findings"], verified["documents"]) == ([], len(good))
    shown = pages(site, batch, len(rows))
    assert "META_BAD_VALUE" in shown
    assert "FILE_HOSTILE" in shown
    assert not re.search(rf"(?![\n\r\t])[{CONTROLS}]", shown)
