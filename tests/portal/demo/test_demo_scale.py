from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.demo.options import DemoOptions

Ask = Callable[..., dict[str, Any]]
Connect = Callable[..., FlaskClient]


@pytest.mark.parametrize("documents", [100_000, 1_000_000])
def test_the_last_page_of_a_big_tenant_needs_none_of_the_others(
    connect: Connect, ask: Ask, documents: int
) -> None:
    client = connect(DemoOptions(documents=documents))
    tracemalloc.start()
    try:
        page = ask(client, "documents", pageNo=documents // 500, pageSize=500)
        count = ask(client, "count")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Two pages' worth of memory at most: building the rest would take a hundred times as much.
    assert peak < 20_000_000
    assert page["total"] == count["documents"] == documents
    assert len(page["rows"]) == 500
    assert page["rows"][-1]["collectTime"] == "2024-06-30T23:59:59+08:00"
    assert page["rows"][-1]["scanBillNo"].endswith(f"{documents:06d}")
    file = page["rows"][-1]["files"][-1]
    data = client.get(f"/imgsys/migrate/v1/files/{file['fileId']}").data
    assert len(data) == file["fileSize"]
    assert ask(client, "documents", pageNo=documents // 500 + 1)["rows"] == []


def test_a_full_month_keeps_times_apart(connect: Connect, ask: Ask) -> None:
    client = connect(DemoOptions(documents=2_500_000, months=1))
    page = ask(client, "documents", pageNo=1000, pageSize=500)
    times = [row["collectTime"] for row in page["rows"]]

    assert times == sorted(set(times))


@pytest.mark.parametrize(("mean_size", "months"), [(40_000, 1), (600_000, 24)])
def test_mean_size_and_months_are_options(
    connect: Connect, ask: Ask, mean_size: int, months: int
) -> None:
    client = connect(DemoOptions(documents=1_000, mean_size=mean_size, months=months))
    count = ask(client, "count", collectTo="2030-01-01 00:00:00")

    assert count["bytes"] / count["files"] == pytest.approx(mean_size, rel=0.25)
    assert len({group["month"] for group in count["groups"]}) == months


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"documents": 3}, "documents"),
        ({"months": 0}, "months"),
        ({"mean_size": 10}, "mean_size"),
        ({"first_month": "2024-13"}, "first_month"),
        ({"first_month": "January"}, "first_month"),
    ],
)
def test_senseless_options_are_refused_by_name(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        DemoOptions(**options)


def test_more_documents_than_seconds_are_refused(connect: Connect) -> None:
    with pytest.raises(ValueError, match="too many for 2 months"):
        connect(DemoOptions(documents=10_000_000, months=2))
