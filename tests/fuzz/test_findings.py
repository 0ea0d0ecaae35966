"""What junk once broke, each by itself: it is to stay mended."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import String, column

from executor import JobFailed
from portal.errors import NotAllowed, SettingsError, SyncError
from portal.jobs.parameter import parse_parameter
from portal.logs.redaction import Redactor
from portal.models.base import UtcDateTime
from portal.secret_box import SecretBox
from portal.services.archive_list import amount_of
from portal.services.backup import ledger_copy, manifest
from portal.services.backup.rows import rows
from portal.services.paging import _read_mark
from portal.services.selection_filters import of_documents
from portal.services.source_import import unsealed
from portal.settings import read_settings
from portal.sync.archive.s3.failures import parsed
from portal.sync.response import Response
from portal.sync.sources.old_settings import URL, read
from portal.sync.sources.parse import parse_row
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.targets import Address
from tests.fuzz.bounds import bounded
from tests.fuzz.http_answers import _Kept
from tests.fuzz.kept import _FORM, TABLE
from tests.fuzz.lists import _COLUMNS, ZONE, _Thing
from tests.fuzz.source_rows import ROW


def test_an_amount_of_four_hundred_digits_fails_its_document_and_not_the_listing() -> None:
    document = parse_row({**ROW, "totalAmount": 10**400}, ConnectorProfile())
    assert document.problem is not None
    assert document.problem.params["field"] == "totalAmount"


@pytest.mark.parametrize(
    "lines", [[b"\r\n"], [b"Content-Length: 1\r\n", b"\r\n"], [b"HTTP/1.1 x\r\n", b"\r\n"]]
)
def test_a_head_without_a_status_is_a_bad_answer(lines: list[bytes]) -> None:
    response = Response(_Kept(), "pdf")
    with pytest.raises(SyncError, match="SRC_BAD_ANSWER"):
        response.head(b"".join(lines))


def test_a_length_of_thousands_of_digits_is_none() -> None:
    response = Response(_Kept(), "pdf")
    response.head(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
    assert response.expected is None


def test_an_encoding_is_told_without_its_controls() -> None:
    response = Response(_Kept(), "pdf")
    with pytest.raises(SyncError) as caught:
        response.head(b"HTTP/1.1 200 OK\r\nContent-Encoding: g\x00\x1b[31m\r\n\r\n")
    assert str(caught.value.params["detail"]).isprintable()


@pytest.mark.parametrize(
    ("sort", "mark"),
    [
        ("seen_at", "3~9999-12-31T23:59:59-23:59"),
        ("seen_at", "3~0001-01-01T00:00:00+23:59"),
        ("rank", f"3~{'9' * 30}"),
        ("rank", f"3~{'9' * 5000}"),
        ("amount", "3~NaN"),
        ("amount", "3~sNaN"),
        ("amount", "3~1E+9999"),
        ("name", "3~a\x00b"),
    ],
)
def test_a_mark_that_a_database_refuses_is_none(sort: str, mark: str) -> None:
    assert _read_mark(mark, _COLUMNS[sort], _Thing.id) is None


def test_an_instant_of_a_mark_is_read_in_utc() -> None:
    seen = column("seen", UtcDateTime())
    found = _read_mark("3~2026-11-22T08:00:00+08:00", seen, column("id", String()))
    assert found == (datetime(2026, 11, 22, tzinfo=UTC), 3)


@pytest.mark.parametrize("text", ["1e92233720", "9e999999", "NaN", "sNaN", "Infinity"])
def test_an_amount_beyond_all_bounds_is_none(text: str) -> None:
    assert amount_of(text) is None
    for name in ("least", "most"):
        with pytest.raises(NotAllowed):
            of_documents({name: text}, ZONE)


@pytest.mark.parametrize("host", ["a.example..", ".a.example", "a..example"])
def test_a_host_with_an_empty_part_is_none(host: str) -> None:
    with pytest.raises(ValueError, match="no valid host"):
        Address.parse(f"https://{host}/")


def test_a_line_of_spaces_in_old_settings_takes_no_longer_than_another() -> None:
    with bounded():
        found = read(f"{' ' * 1_000_000}\n{URL}=http://img.example\n")
    assert found.url == "http://img.example"


@pytest.mark.parametrize("word", ["9", "a.", "token", "token ", "://", 'x"'])
def test_a_log_line_of_one_long_word_is_redacted_in_time(word: str) -> None:
    with bounded():
        Redactor().redact(word * 60_000)


def test_a_secret_that_is_no_utf8_is_redacted() -> None:
    redactor = Redactor()
    redactor.learn("pass\udcffword")
    assert redactor.redact("it is pass\udcffword") == "it is ***"


@pytest.mark.parametrize("given", ["\ud800", "a\x00b"])
@pytest.mark.parametrize("where", ["batch", "source", "org"])
def test_a_job_is_not_asked_for_what_no_database_holds(where: str, given: str) -> None:
    create: dict[str, Any] = {"source": "a", "from": "2024-01-01", "to": "2024-01-31"}
    value = [given] if where == "org" else given
    text = {"batch": given} if where == "batch" else {"create": {**create, where: value}}
    with pytest.raises(JobFailed, match="参数无效"):
        parse_parameter(json.dumps(text))


@pytest.mark.parametrize(
    "environ",
    [
        {"IMGMIG_HOME": "~nobody-of-this-name/home"},
        {"XXL_JOB_ADMIN_ADDRESSES": "HTTP://admin.example"},
        {"XXL_JOB_ADMIN_ADDRESSES": f"http://admin.example/{'a' * 300}"},
        {"PORTAL_DATABASE_URL": "me:a-long-password"},
        {"PORTAL_QUEUE_URL": "redis//:a-long-password"},
    ],
)
def test_a_setting_is_refused_by_name_and_without_a_password(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    (name,) = environ
    assert name in str(caught.value)
    assert "a-long-password" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": [{"path": "../secret", "bytes": 1, "sha256": ""}]},
        {"files": [{"path": "/etc/passwd", "bytes": 1, "sha256": ""}]},
        {"files": [{"path": "a", "bytes": "1", "sha256": ""}]},
        {"tables": [{"table": ["a", [["b", "no kind"]], []], "rows": 1, "sha256": ""}]},
        {"name": 7},
        {"archive": {"files": -1, "bytes": 0, "damaged": 0}},
    ],
)
def test_a_manifest_of_another_form_is_unreadable(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / manifest.NAME).write_text(json.dumps({**_FORM, **changes}))
    with pytest.raises(SyncError, match="BACKUP_UNREADABLE"):
        manifest.read(tmp_path)


@pytest.mark.parametrize("line", ["null", "[]", "7", '[1,"a",5,"","x","",{}]', "[" * 9000])
def test_a_line_of_no_table_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of whatever the line is wrong in
        list(rows(TABLE, [line]))


@pytest.mark.parametrize("content", [b"x", gzip.compress(b"{}\n"), gzip.compress(b"[" * 9000)])
def test_a_list_that_is_torn_is_a_damaged_backup(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.gz").write_bytes(content)
    with pytest.raises(SyncError, match="BACKUP_DAMAGED"):
        list(ledger_copy.read_list(tmp_path / "list.gz"))


def test_a_preview_of_another_form_is_no_longer_valid() -> None:
    box = SecretBox("a-key-for-tests-" * 3)
    forms: list[Any] = [{"url": 7, "ambiguous": [], "unreadable": []}, [], [[]] * 3]
    for values in forms:
        with pytest.raises(NotAllowed):
            unsealed(box.close(json.dumps(values)), box)


def test_an_answer_that_hides_its_declarations_in_two_byte_characters_is_refused() -> None:
    with pytest.raises(ValueError, match="declarations"):
        parsed('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"))
