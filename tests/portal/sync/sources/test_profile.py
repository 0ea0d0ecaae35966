from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.sync.sources.profile import ConnectorProfile
from portal.sync.sources.rows import Scope


def test_no_overrides_are_the_contract() -> None:
    assert ConnectorProfile.from_mapping({}) == ConnectorProfile()


def test_overrides_survive_json_and_change_only_what_they_name() -> None:
    overrides = {"row": {"image_no": "no"}, "page_size": 50, "categories": {"1": "invoice"}}
    profile = ConnectorProfile.from_mapping(json.loads(json.dumps(overrides)))
    assert (profile.row.image_no, profile.row.bill_no) == ("no", "billNo")
    assert (profile.page_size, profile.categories) == (50, {"1": "invoice"})
    assert profile.paths == ConnectorProfile().paths


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"pagesize": 5}, "pagesize: unknown; known are paths"),
        ({"row": {"imageNo": "x"}}, "row.imageNo: unknown; known are image_no"),
        ({"row": "x"}, "row: must be a table"),
        ({"row": {"image_no": 5}}, "row.image_no: must be a text"),
        ({"row": {"image_no": ""}}, "row.image_no: must be a text"),
        ({"page_size": 0}, "page_size: must be 1 to"),
        ({"page_size": "50"}, "page_size: must be a whole number"),
        ({"page_size": True}, "page_size: must be a whole number"),
        ({"paging": "cursor"}, "paging: must be one of page, offset"),
        ({"timestamp_unit": "us"}, "timestamp_unit"),
        ({"token_passing": "body"}, "token_passing"),
        ({"paths": {"file": "/files"}}, "paths.file: must contain"),
        ({"paths": {"count": "count"}}, "paths.count: must begin"),
        ({"paths": {"organisations": "orgs"}}, "paths.organisations: must begin"),
        ({"query_method": "PUT"}, "query_method: must be one of POST, GET"),
        ({"time_format": "epoch"}, "time_format: must be one of iso, local"),
        ({"token": {"source_value": "99"}}, "token.source_value: must be a whole number"),
        ({"token": {"token": ""}}, "token.token: must be a text that is not empty"),
        ({"envelope": {"errcode": 0}}, "envelope.errcode: must be a text"),
        ({"credential_errcodes": "1101"}, "credential_errcodes: must be a list of texts"),
        ({"credential_errcodes": [1101]}, "credential_errcodes: must be a list of texts"),
        ({"categories": {}}, "categories"),
        ({"categories": {"a": "attach"}}, "categories"),
        ({"categories": {"a": ["cover"]}}, "categories"),
        ({"categories": ["cover"]}, "categories"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(overrides: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"profile {named}"):
        ConnectorProfile.from_mapping(overrides)


def test_scope_needs_zones_and_a_range() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="zone"):
        Scope(start, datetime(2024, 2, 1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ValueError, match="empty"):
        Scope(start, start)
