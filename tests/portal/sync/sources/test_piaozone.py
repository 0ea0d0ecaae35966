from __future__ import annotations

import gzip
import hashlib
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests

from portal.errors import SyncError
from portal.sync.sources import control
from portal.sync.sources.base import Source
from portal.sync.sources.connection import Connection
from portal.sync.sources.piaozone import PiaozoneSource
from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import CountGroup, Scope

if TYPE_CHECKING:
    from tests.portal.sync.sources.conftest import SourceServer

Connect = Callable[..., PiaozoneSource]
SECRET = "s3cret-of-the-tenant"
TOKEN = "/archivebase/scan/login/token"
COUNT = "/imgsys/migrate/v1/count"
DOCUMENTS = "/imgsys/migrate/v1/documents"


def failure(call: Callable[..., object], *arguments: object) -> SyncError:
    with pytest.raises(SyncError) as caught:
        call(*arguments)
    assert SECRET not in str(caught.value)
    return caught.value


def test_token_call_is_signed_as_published(server: SourceServer, connect: Connect) -> None:
    assert connect().token() == "token-1"
    (seen,) = server.calls(TOKEN)
    timestamp = 1795334400000
    signed = f"ent-1{SECRET}{timestamp}".encode()
    assert seen.authorization is None
    assert seen.body == {
        "clientId": "ent-1",
        "sign": hashlib.md5(signed).hexdigest(),
        "timestamp": timestamp,
        "fsource": 99,
    }


def test_timestamp_in_seconds(server: SourceServer, connect: Connect) -> None:
    connect(profile=ConnectorProfile(timestamp_unit="s")).token()
    assert server.calls(TOKEN)[0].body["timestamp"] == 1795334400


def test_count(server: SourceServer, connect: Connect, scope: Scope) -> None:
    source: Source = connect()
    count = source.count(replace(scope, org_codes=("1001",)))
    assert (count.documents, count.files, count.bytes) == (1, 2, 3)
    assert count.groups == (CountGroup("2024-01", "1001", "FYBX", 1, 2, 3, Decimal("123.45")),)
    (seen,) = server.calls(COUNT)
    assert seen.authorization == "Bearer token-1"
    assert seen.body == {
        "collectFrom": "2024-01-01T00:00:00+08:00",
        "collectTo": "2024-02-01T00:00:00+08:00",
        "orgCodes": ["1001"],
        "billTypeCodes": [],
    }


def test_page(server: SourceServer, connect: Connect, scope: Scope) -> None:
    server.rows.append("no row at all")
    page = connect().page(scope, 3)
    assert (page.total, page.page_no) == (2, 3)
    assert [document.problem and document.problem.code for document in page.documents] == [
        None,
        "META_BAD_VALUE",
    ]
    (seen,) = server.calls(DOCUMENTS)
    assert (seen.body["pageNo"], seen.body["pageSize"]) == (3, 500)


def test_profile_changes_paths_names_paging_and_token_passing(
    server: SourceServer, connect: Connect, scope: Scope
) -> None:
    profile = ConnectorProfile.from_mapping(
        {
            "paths": {"documents": "/v9/list"},
            "request": {"collect_from": "since", "offset": "start"},
            "page": {"rows": "records"},
            "paging": "offset",
            "page_size": 20,
            "token_passing": "query",
            "success_errcode": "0",
        }
    )
    server.reply(TOKEN, {"accessToken": "a/b+c="}, 0)
    server.reply("/api/v9/list", {"total": 1, "records": [{}]}, 0)
    page = connect(base_url=f"{server.base_url}/api/", profile=profile).page
    server.script("/api" + TOKEN, body=b'{"errcode":"0","data":{"accessToken":"a/b+c="}}')
    assert len(page(scope, 3).documents) == 1
    (seen,) = server.calls("/api/v9/list")
    assert seen.authorization is None
    assert seen.query == {"access_token": ["a/b+c="]}
    assert (seen.body["start"], seen.body["pageSize"]) == (40, 20)
    assert "since" in seen.body


def test_connections_are_kept_alive(server: SourceServer, connect: Connect, scope: Scope) -> None:
    source = connect()
    for _ in range(3):
        source.count(scope)
    assert len({seen.connection for seen in server.seen}) == 1


def test_expired_token_is_renewed_once(
    server: SourceServer, connect: Connect, scope: Scope
) -> None:
    source = connect()
    source.count(scope)
    server.valid_token = "another"
    assert source.count(scope).documents == 1
    assert len(server.calls(TOKEN)) == 2


def test_second_401_ends_the_call(server: SourceServer, connect: Connect, scope: Scope) -> None:
    server.script(COUNT, status=401)
    server.script(COUNT, status=401)
    assert failure(connect().count, scope).code == "SRC_UNAUTHORIZED"
    assert (len(server.calls(COUNT)), len(server.calls(TOKEN))) == (2, 2)


def test_many_reports_of_one_stale_token_fetch_one_new_token(
    server: SourceServer, connect: Connect
) -> None:
    source = connect()
    stale = source.token()
    renewed: list[str] = []
    threads = [
        threading.Thread(target=lambda: renewed.append(source.renew_token(stale))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert renewed == ["token-2"] * 8
    assert len(server.calls(TOKEN)) == 2


@pytest.mark.parametrize("errcode", ["1101", "1200", 1101])
def test_refused_credentials(server: SourceServer, connect: Connect, errcode: object) -> None:
    server.reply(TOKEN, None, errcode)
    error = failure(connect().token)
    assert (error.code, error.params) == ("SRC_CREDENTIALS", {"detail": str(errcode)})
    assert error.permanent


def test_token_call_answered_401(server: SourceServer, connect: Connect) -> None:
    server.script(TOKEN, status=401)
    assert failure(connect().token).code == "SRC_CREDENTIALS"


def test_refused_credentials_told_with_another_status(
    server: SourceServer, connect: Connect
) -> None:
    server.script(TOKEN, status=400, body=b'{"errcode": "1101", "description": "no"}')
    assert failure(connect().token).code == "SRC_CREDENTIALS"


def test_tenant_level_id_is_refused_without_a_call(server: SourceServer, connect: Connect) -> None:
    assert failure(connect(client_id="TN_1").token).code == "SRC_CREDENTIALS"
    assert server.seen == []


@pytest.mark.parametrize("token", [None, "", 7, "a\r\nX-Other: b", "令牌", "x" * 9000])
def test_unusable_token(server: SourceServer, connect: Connect, token: object) -> None:
    server.reply(TOKEN, {"accessToken": token})
    assert failure(connect().token).code == "SRC_BAD_ANSWER"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 403}, "SRC_FORBIDDEN"),
        ({"status": 404}, "SRC_NOT_FOUND"),
        ({"status": 429, "headers": {"retry-after": "7"}}, "SRC_THROTTLED"),
        ({"status": 500}, "SRC_SERVER_ERROR"),
        ({"status": 418}, "SRC_BAD_STATUS"),
        ({"body": b"<!DOCTYPE html><title>login</title>"}, "SRC_HTML"),
        ({"body": b"ok", "headers": {"Content-Type": "text/html"}}, "SRC_HTML"),
        ({"body": b"not json"}, "SRC_BAD_ANSWER"),
        ({"body": b""}, "SRC_BAD_ANSWER"),
        ({"body": b"[" * 100_000}, "SRC_BAD_ANSWER"),
        ({"body": b"[]"}, "SRC_BAD_ANSWER"),
        ({"body": b"{}"}, "SRC_BAD_ANSWER"),
        ({"body": b'{"errcode": "0000"}'}, "SRC_BAD_ANSWER"),
        ({"body": b'{"errcode": "5000", "description": null}'}, "SRC_BUSINESS_ERROR"),
        ({"body": b'{"errcode"', "length": 500}, "SRC_CONNECTION"),
        ({"body": b"zz", "headers": {"Content-Encoding": "gzip"}}, "SRC_BAD_ANSWER"),
    ],
)
def test_every_failure_has_its_code(
    server: SourceServer, connect: Connect, scope: Scope, answer: dict[str, Any], code: str
) -> None:
    server.script(COUNT, **answer)
    assert failure(connect().count, scope).code == code


def test_retry_after_is_kept(server: SourceServer, connect: Connect, scope: Scope) -> None:
    server.script(COUNT, status=429, headers={"Retry-After": "Sun, 22 Nov 2026 08:00:30 GMT"})
    assert failure(connect().count, scope).retry_after == 30.0


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304])
def test_redirects_are_named_and_never_followed(
    server: SourceServer, connect: Connect, scope: Scope, status: int
) -> None:
    location = f"http://localhost:{server.port}/elsewhere?access_token=token-1"
    server.script(COUNT, status=status, headers={"Location": location})
    error = failure(connect().count, scope)
    assert error.code == "SRC_BAD_ANSWER"
    assert error.params["detail"] == f"HTTP {status}, a redirect to localhost"
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("documents", -1),
        ("documents", 2**31),
        ("files", None),
        ("bytes", "x"),
        ("bytes", 2**63),
        ("groups", {}),
        ("groups", [1]),
    ],
)
def test_count_that_makes_no_sense(
    server: SourceServer, connect: Connect, scope: Scope, field: str, value: object
) -> None:
    data = {"documents": 0, "files": 0, "bytes": 0, "groups": []}
    server.reply(COUNT, data | {field: value})
    error = failure(connect().count, scope)
    assert error.code == "SRC_BAD_ANSWER"
    assert error.params["detail"].startswith(field)


@pytest.mark.parametrize(
    ("field", "value"),
    [("total", -1), ("total", True), ("total", 2**31), ("rows", None), ("pageNo", 2)],
)
def test_page_that_makes_no_sense(
    server: SourceServer, connect: Connect, scope: Scope, field: str, value: object
) -> None:
    server.reply(DOCUMENTS, {"total": 0, "pageNo": 1, "rows": []} | {field: value})
    error = failure(connect().page, scope, 1)
    assert error.code == "SRC_BAD_ANSWER"
    assert error.params["detail"].startswith(field)


def test_silence_ends_with_the_read_timeout(
    server: SourceServer, connect: Connect, scope: Scope
) -> None:
    server.script(COUNT, body=b"{}", pause=5.0)
    error = failure(connect(read_timeout=0.2).count, scope)
    assert (error.code, error.params) == ("SRC_TIMEOUT", {"seconds": "0.2"})
    server.closing.set()


def test_dripping_answer_ends_too(server: SourceServer, connect: Connect, scope: Scope) -> None:
    server.script(COUNT, body=b" " * 1000, piece=1, pause=0.02)
    error = failure(connect(read_timeout=0.4).count, scope)
    assert (error.code, error.params) == ("SRC_TIMEOUT", {"seconds": "2"})
    server.closing.set()


def test_answer_is_bounded_after_decompression(
    server: SourceServer, connect: Connect, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "ANSWER_LIMIT", 1 << 20)
    bomb = gzip.compress(b" " * (8 << 20))
    server.script(COUNT, body=bomb, headers={"Content-Encoding": "gzip"})
    assert failure(connect().count, scope).params == {"detail": "more than 1048576 bytes"}


@pytest.mark.parametrize("value", ["[]", "{}", '""', "0"])
def test_answer_is_bounded_in_what_it_would_take_in_memory(
    server: SourceServer, connect: Connect, scope: Scope, value: str
) -> None:
    values = f"{value}," * control.VALUES_LIMIT
    answer = f'{{"errcode": "0000", "data": {{"totalCount": 0, "rows": [{values}0]}}}}'
    bomb = gzip.compress(answer.encode(), 1)
    server.script(COUNT, body=bomb, headers={"Content-Encoding": "gzip"})
    error = failure(connect().count, scope)
    assert (error.code, error.params) == ("SRC_BAD_ANSWER", {"detail": "more than 2000000 values"})


def test_refused_connection_names_host_and_cause_only(connect: Connect, scope: Scope) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = failure(connect(base_url=f"http://127.0.0.1:{port}/x").count, scope)
    assert error.code == "SRC_CONNECTION"
    assert error.params == {"detail": f"127.0.0.1:{port}: Connection refused"}


def test_plain_server_asked_for_tls(server: SourceServer, connect: Connect) -> None:
    error = failure(connect(base_url=server.base_url.replace("http", "https")).token)
    assert error.code == "SRC_TLS"
    assert "TLS" in error.params["detail"]


def test_proxy_and_passwords_of_the_environment_are_ignored(
    server: SourceServer, connect: Connect, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert connect().count(scope).documents == 1


def test_representations_hide_the_secret_and_the_token(connect: Connect) -> None:
    source = connect(profile=ConnectorProfile(token_passing="query"))
    target = source.download_target("f-1", None)
    assert target.token == "token-1"
    shown = repr(source) + repr(target) + repr(Connection("http://a", "ent-1", SECRET))
    assert SECRET not in shown
    assert "token-1" not in shown


def test_own_session_is_closed(server: SourceServer) -> None:
    source = PiaozoneSource(Connection(server.base_url, "ent-1", SECRET), requests.Session())
    assert source.token() == "token-1"
    source.close()


def test_an_interface_without_an_envelope(
    server: SourceServer, connect: Connect, scope: Scope
) -> None:
    overrides = {
        "envelope": {"errcode": "", "description": "", "data": ""},
        "token": {"source": ""},
        "page": {"total": "meta.total", "page_no": "meta.page", "rows": "items"},
    }
    source = connect(profile=ConnectorProfile.from_mapping(overrides))
    server.script(TOKEN, body=b'{"accessToken": "token-0"}')
    server.script(DOCUMENTS, body=b'{"meta": {"total": 7, "page": 2}, "items": []}')
    server.script(DOCUMENTS, body=b'{"meta": {"total": 7, "page": 3}, "items": []}')
    assert source.page(scope, 2).total == 7
    assert failure(source.page, scope, 2).params == {"detail": "meta.page: 3"}
    assert "fsource" not in server.calls(TOKEN)[0].body


def test_names_of_an_envelope_are_told(
    server: SourceServer, connect: Connect, scope: Scope
) -> None:
    names = {"errcode": "head.code", "description": "head.text", "data": "body.data"}
    source = connect(profile=ConnectorProfile.from_mapping({"envelope": names}))
    for answer, detail in (
        (b"{}", "no head.code"),
        (b'{"errcode": "0000", "data": {}}', "no head.code"),
        (b'{"head": {"code": "0000"}, "data": {}}', "no body.data"),
    ):
        server.script(TOKEN, body=answer)
        assert failure(source.token).params == {"detail": detail}
    server.script(TOKEN, body=b'{"head": {"code": 12, "text": "no"}}')
    assert failure(source.token).params == {"errcode": "12", "description": "no"}
    server.script(TOKEN, status=500, body=b'{"head": {"code": 13}}')
    assert failure(source.token).params["errcode"] == "13"


# A download may wait for the token, and its document's lease must outlast that.


def test_a_token_call_has_less_time_than_a_lease() -> None:
    connection = Connection("http://127.0.0.1", "a", SECRET)
    assert connection.token_connect_timeout + connection.token_read_timeout <= 15
    assert Connection("http://127.0.0.1", "a", SECRET, read_timeout=2).read_timeout == 2


def test_a_token_call_that_hangs_ends_and_is_not_repeated_at_once(
    server: SourceServer, connect: Connect
) -> None:
    server.script(TOKEN, body=b"{}", pause=60.0)
    source = connect(token_read_timeout=0.2)
    for _ in range(16):
        error = failure(source.token)
        assert (error.code, error.params) == ("SRC_TIMEOUT", {"seconds": "0.2"})
    assert len(server.calls(TOKEN)) == 1
    server.closing.set()


def test_a_token_call_that_drips_ends_too(server: SourceServer, connect: Connect) -> None:
    server.script(TOKEN, body=b" " * 1000, piece=1, pause=0.02)
    source = connect(token_connect_timeout=0.4, token_read_timeout=0.4)
    error = failure(source.token)
    assert (error.code, error.params) == ("SRC_TIMEOUT", {"seconds": "0.8"})
    server.closing.set()


def test_a_source_that_counts_no_files_is_believed(
    server: SourceServer, connect: Connect, scope: Scope
) -> None:
    group = {"month": "2024-01", "orgCode": "1", "billTypeCode": "T", "documents": 4}
    server.reply(COUNT, {"documents": 4, "groups": [group]})
    profile = ConnectorProfile.from_mapping({"count": {"files": "", "bytes": ""}})
    count = connect(profile=profile).count(scope)
    assert (count.documents, count.files, count.bytes) == (4, None, None)
    assert (count.groups[0].files, count.groups[0].bytes) == (None, None)


def test_lists_the_profile_does_not_name_are_not_asked_for(
    server: SourceServer, connect: Connect
) -> None:
    source = connect()
    assert (source.organisations(), source.bill_types()) == (None, None)
    assert server.calls(TOKEN) == []


@pytest.mark.parametrize("rows", [None, "x", [5], [{"name": "no code"}], [{"code": ""}]])
def test_a_list_that_makes_no_sense_is_refused(
    server: SourceServer, connect: Connect, rows: object
) -> None:
    server.reply("/orgs", {"rows": rows})
    profile = ConnectorProfile.from_mapping({"paths": {"organisations": "/orgs"}})
    assert failure(connect(profile=profile).organisations).code == "SRC_BAD_ANSWER"
