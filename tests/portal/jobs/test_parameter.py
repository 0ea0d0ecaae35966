from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import JobFailed
from portal.jobs.parameter import FORM, CreateOrder, DataSyncParameter, parse_parameter
from portal.models import Overlap

CREATE = {"source": "影像系统", "from": "2024-01-01", "to": "2024-03-31"}


@pytest.mark.parametrize("text", ["", "  \n\t", "{}"])
def test_nothing_means_all_waiting_batches(text: str) -> None:
    assert parse_parameter(text) == DataSyncParameter(None, False, None, True)


def test_every_key_is_read() -> None:
    text = '{"batch": "MB20240101-0001", "retry_failed": true, "wait": false}'
    assert parse_parameter(text) == DataSyncParameter("MB20240101-0001", True, None, False)


def test_an_order_to_create_is_read() -> None:
    order = {**CREATE, "org": ["1001", "1002"], "type": ["FYBX"]}
    assert parse_parameter(json.dumps({"create": order})).create == CreateOrder(
        "影像系统", date(2024, 1, 1), date(2024, 3, 31), ("1001", "1002"), ("FYBX",)
    )
    short = parse_parameter(json.dumps({"create": CREATE})).create
    assert short is not None
    assert (short.org_codes, short.bill_type_codes) == ((), ())
    assert short.overlap is Overlap.MISSING


@pytest.mark.parametrize("overlap", Overlap)
def test_a_policy_is_read(overlap: Overlap) -> None:
    create = parse_parameter(json.dumps({"create": {**CREATE, "overlap": overlap}})).create
    assert create is not None
    assert create.overlap is overlap


def refusal(value: Any) -> str:
    with pytest.raises(JobFailed) as caught:
        parse_parameter(value if isinstance(value, str) else json.dumps(value))
    assert FORM in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("MB20240101-0001", "JSON"),
        ("[]", "JSON"),
        ("null", "JSON"),
        ("[" * 100_000, "JSON"),
        ({"batches": "MB"}, "'batches'"),
        ({"batch": 7}, "batch"),
        ({"retry_failed": "true"}, "retry_failed"),
        ({"wait": 1}, "wait"),
        ({"create": []}, "JSON"),
        ({"create": {}}, "create.source"),
        ({"create": {**CREATE, "source": 3}}, "source"),
        ({"create": {**CREATE, "until": "2024-01-01"}}, "'until'"),
        ({"create": {**CREATE, "to": "2024-02-30"}}, "create.to"),
        ({"create": {**CREATE, "from": 20240101}}, "create.from"),
        ({"create": {**CREATE, "overlap": "some"}}, "missing_and_failed"),
        ({"create": {**CREATE, "overlap": ["all"]}}, "missing_and_failed"),
        ({"create": {**CREATE, "overlap": None}}, "missing_and_failed"),
        ({"create": {"source": "x", "from": "2024-01-01"}}, "create.to"),
        ({"create": {**CREATE, "org": "1001"}}, "create.org"),
        ({"create": {**CREATE, "type": [1]}}, "create.type"),
        ({"batch": "MB20240101-0001", "create": CREATE}, "batch"),
    ],
)
def test_anything_else_is_refused_with_the_form(value: Any, named: str) -> None:
    assert named in refusal(value).removesuffix(FORM)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = st.sampled_from(["batch", "retry_failed", "create", "wait", "source", "from", "to", "org"])


@given(st.text() | JSON.map(json.dumps) | st.dictionaries(KEYS, JSON).map(json.dumps))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        parse_parameter(text)
    except JobFailed as refused:
        assert FORM in str(refused)  # noqa: PT017 - either way is fine
