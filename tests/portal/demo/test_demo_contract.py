from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.demo.api import create_demo_source
from portal.demo.options import DemoOptions

LOGIN = "/archivebase/scan/login/token"
COUNT = "/imgsys/migrate/v1/count"
DOCUMENTS = "/imgsys/migrate/v1/documents"

Ask = Callable[..., dict[str, Any]]


def login_body(client: FlaskClient, **changes: object) -> dict[str, object]:
    credentials = client.get("/_demo/credentials").get_json()
    signed = credentials["clientId"] + credentials["clientSecret"] + "1704067200000"
    body: dict[str, object] = {
        "clientId": credentials["clientId"],
        "sign": hashlib.md5(signed.encode()).hexdigest(),
        "timestamp": 1704067200000,
        "fsource": 99,
    }
    return body | changes


def test_login_answers_with_token_in_the_envelope(client: FlaskClient) -> None:
    answer = client.post(LOGIN, json=login_body(client)).get_json()

    assert answer["errcode"] == "0000"
    assert answer["description"]
    assert answer["traceId"]
    assert answer["data"]["accessToken"]
    assert answer["data"]["expiresTime"] > 0


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"sign": "0" * 32}, "1101"),
        ({"clientId": "somebody"}, "1101"),
        ({"clientId": "TN_123"}, "1101"),
        ({"timestamp": 1704067200001}, "1101"),
        ({"clientId": ""}, "1200"),
        ({"sign": None}, "1200"),
    ],
)
def test_login_refuses_with_http_200(
    client: FlaskClient, changes: dict[str, object], errcode: str
) -> None:
    answer = client.post(LOGIN, json=login_body(client, **changes))

    assert answer.status_code == 200
    assert answer.get_json()["errcode"] == errcode
    assert answer.get_json()["data"] is None


def test_tenant_level_id_is_refused_even_when_it_is_the_right_one() -> None:
    client = create_demo_source(DemoOptions(client_id="TN_own")).test_client()
    answer = client.post(LOGIN, json=login_body(client)).get_json()

    assert answer["errcode"] == "1101"
    assert "租户级" in answer["description"]


def test_upper_case_sign_is_wrong(client: FlaskClient) -> None:
    body = login_body(client)
    answer = client.post(LOGIN, json=body | {"sign": str(body["sign"]).upper()})

    assert answer.get_json()["errcode"] == "1101"


def test_calls_without_a_good_token_get_401(client: FlaskClient) -> None:
    token = client.environ_base.pop("HTTP_AUTHORIZATION").removeprefix("Bearer ")

    for header in (None, "Bearer nonsense", f"Basic {token}", "Bearer"):
        headers = {"Authorization": header} if header else {}
        assert client.post(COUNT, json={}, headers=headers).status_code == 401
        assert client.post(DOCUMENTS, json={}, headers=headers).status_code == 401
        file = client.get("/imgsys/migrate/v1/files/f-000001-1", headers=headers)
        assert file.status_code == 401

    by_query = client.get(f"/imgsys/migrate/v1/files/f-000001-1?access_token={token}")
    assert by_query.status_code == 200


@pytest.mark.parametrize(
    ("call", "changes"),
    [
        (COUNT, {"collectFrom": None}),
        (COUNT, {"collectTo": "yesterday"}),
        (COUNT, {"orgCodes": "1001"}),
        (DOCUMENTS, {"billTypeCodes": [1]}),
        (DOCUMENTS, {"pageNo": 0}),
        (DOCUMENTS, {"pageNo": "1"}),
        (DOCUMENTS, {"pageSize": 501}),
        (DOCUMENTS, {"pageSize": 0}),
    ],
)
def test_senseless_requests_are_business_failures(
    client: FlaskClient, call: str, changes: dict[str, object]
) -> None:
    body = {"collectFrom": "2024-01-01 00:00:00", "collectTo": "2024-02-01 00:00:00"}
    answer = client.post(call, json=body | {"pageNo": 1, "pageSize": 10} | changes)

    assert answer.status_code == 200
    assert answer.get_json()["errcode"] == "1400"


def test_rows_carry_the_fields_of_the_contract(client: FlaskClient, ask: Ask) -> None:
    data = ask(client, "documents")
    row = data["rows"][0]

    assert (data["total"], data["pageNo"], data["pageSize"]) == (240, 1, 500)
    assert row["scanBillNo"].startswith(row["fbillTypeCode"])
    assert row["collectTime"].endswith("+08:00")
    assert Decimal(row["totalAmount"]).as_tuple().exponent == -2
    file = row["files"][0]
    assert set(file) - {"md5"} == {
        *("fileId", "fileType", "seq", "fileName", "fileSuffix"),
        *("fileSize", "sha256", "pageCount", "downloadUrl"),
    }
    assert {r.get("resource") for r in data["rows"]} == {"EAS", None}
    assert all("resource" not in r or r["resource"] for r in data["rows"])


def test_the_default_tenant_is_varied(client: FlaskClient, ask: Ask) -> None:
    rows = ask(client, "documents")["rows"]
    files = [file for row in rows for file in row["files"]]

    assert len({row["fapplyOrganizationCode"] for row in rows}) == 3
    assert len({row["fbillTypeCode"] for row in rows}) == 4
    assert len({row["collectTime"][:7] for row in rows}) == 6
    assert {len(row["files"]) for row in rows} == {1, 2, 3, 4, 5}
    assert {file["fileSuffix"] for file in files} == {"jpg", "png", "tif", "pdf", "ofd", "xml"}
    assert {file["fileType"] for file in files} == {"cover", "invoice", "attach"}
    assert any("md5" in file for file in files)
    assert any(row["files"][0]["fileType"] != "cover" for row in rows)
    sizes = [file["fileSize"] for file in files]
    assert sum(size < 20_000 for size in sizes) == 1  # the planted small picture
    assert 1_500_000 < max(sizes) <= 2_100_000
    assert sum(sizes) / len(sizes) == pytest.approx(170_000, rel=0.25)
    assert all(file["downloadUrl"] is None for file in files)
    assert len({file["fileId"] for file in files}) == len(files)


def test_listing_is_ordered_and_pages_cover_it_once(client: FlaskClient, ask: Ask) -> None:
    whole = ask(client, "documents")["rows"]
    pages = [ask(client, "documents", pageNo=n, pageSize=70)["rows"] for n in range(1, 6)]

    assert [len(page) for page in pages] == [70, 70, 70, 30, 0]
    assert [row for page in pages for row in page] == whole
    times = [row["collectTime"] for row in whole]
    assert times == sorted(set(times))


def test_ranges_are_half_open_in_either_way_of_writing(client: FlaskClient, ask: Ask) -> None:
    rows = ask(client, "documents")["rows"]
    low, high = rows[50]["collectTime"], rows[60]["collectTime"]

    def between(start: str, end: str) -> list[str]:
        found = ask(client, "documents", collectFrom=start, collectTo=end)
        return [row["collectTime"] for row in found["rows"]]

    expected = [row["collectTime"] for row in rows[50:60]]
    assert between(low, high) == expected
    assert between(*(t[:19].replace("T", " ") for t in (low, high))) == expected
    in_utc = (datetime.fromisoformat(t).astimezone(UTC).isoformat() for t in (low, high))
    assert between(*in_utc) == expected
    assert between(high, low) == []
    assert between(f"{low[:19]}.000001+08:00", high) == expected[1:]


def test_months_have_documents_on_both_edges(client: FlaskClient, ask: Ask) -> None:
    times = [row["collectTime"] for row in ask(client, "documents")["rows"]]

    for month, last_day in (("2024-01", 31), ("2024-02", 29), ("2024-06", 30)):
        of_month = [time for time in times if time.startswith(month)]
        assert of_month[0] == f"{month}-01T00:00:00+08:00"
        assert of_month[-1] == f"{month}-{last_day}T23:59:59+08:00"


def test_filters_take_only_what_they_name(client: FlaskClient, ask: Ask) -> None:
    rows = ask(client, "documents")["rows"]

    for orgs, types in ((["1002"], []), ([], ["JKD", "CLBX"]), (["1001", "1003"], ["FYBX"])):
        expected = [
            row
            for row in rows
            if (not orgs or row["fapplyOrganizationCode"] in orgs)
            and (not types or row["fbillTypeCode"] in types)
        ]
        found = ask(client, "documents", orgCodes=orgs, billTypeCodes=types)
        assert found["rows"] == expected
        assert found["total"] == len(expected) > 0

    nobody = ask(client, "documents", orgCodes=["9999"])
    assert (nobody["total"], nobody["rows"]) == (0, [])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"collectFrom": "2024-02-11 12:00:00", "collectTo": "2024-04-01 00:00:01"},
        {"orgCodes": ["1001"], "billTypeCodes": ["CLBX", "FYBX"]},
        {"collectFrom": "2020-01-01 00:00:00", "collectTo": "2024-01-01 00:00:00"},
    ],
)
def test_counts_are_the_sums_of_the_listing(
    client: FlaskClient, ask: Ask, changes: dict[str, Any]
) -> None:
    count = ask(client, "count", **changes)
    documents, files, size = Counter[Any](), Counter[Any](), Counter[Any]()
    amounts: dict[Any, Decimal] = {}
    for row in ask(client, "documents", **changes)["rows"]:
        month = row["collectTime"][:7]
        key = (month, row["fapplyOrganizationCode"], row["fbillTypeCode"])
        documents[key] += 1
        files[key] += len(row["files"])
        size[key] += sum(file["fileSize"] for file in row["files"])
        amounts[key] = amounts.get(key, Decimal()) + Decimal(row["totalAmount"])

    assert count["documents"] == documents.total()
    assert count["files"] == files.total()
    assert count["bytes"] == size.total()
    assert count["groups"] == [
        {
            "month": key[0],
            "orgCode": key[1],
            "billTypeCode": key[2],
            "documents": documents[key],
            "files": files[key],
            "bytes": size[key],
            "amount": str(amounts[key]),
        }
        for key in sorted(documents)
    ]


def test_equal_options_make_equal_tenants(connect: Callable[..., FlaskClient], ask: Ask) -> None:
    one, same, other = (connect(DemoOptions(seed=seed)) for seed in (1, 1, 2))

    assert ask(one, "documents") == ask(same, "documents")
    assert ask(one, "documents") != ask(other, "documents")


def test_download_addresses_are_an_option(connect: Callable[..., FlaskClient], ask: Ask) -> None:
    client = connect(DemoOptions(download_urls=True))
    files = [file for row in ask(client, "documents")["rows"] for file in row["files"]]
    with_address = [file for file in files if file["downloadUrl"]]

    assert 0 < len(with_address) < len(files)
    file = with_address[0]
    assert file["downloadUrl"].startswith("http://localhost/")
    assert len(client.get(file["downloadUrl"]).data) == file["fileSize"]


def test_unknown_paths_answer_in_json(client: FlaskClient) -> None:
    answer = client.get("/imgsys/other")

    assert answer.status_code == 404
    assert answer.get_json()["errcode"] == "404"


def test_organisations_and_document_types_can_be_listed(client: FlaskClient) -> None:
    for name, code in (("organisations", "1001"), ("billTypes", "FYBX")):
        for ask in (client.get, client.post):
            rows = ask(f"/imgsys/migrate/v1/{name}").get_json()["data"]["rows"]
            assert code in [row["code"] for row in rows]
            assert all(row["name"] for row in rows)
