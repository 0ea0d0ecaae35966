"""单据: the documents of a batch, filtered, page by page."""

from __future__ import annotations

import pytest

from portal.services.browsing import PAGE
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor


def test_documents_are_found_by_what_they_are(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT", "FILE_DIGEST_MISMATCH", synced=3)
    page = operator.get(f"/batches/{number}/documents")
    assert len(page.rows()) == 5

    def found(**filters: str) -> list[str]:
        shown = operator.search(page.form("/documents"), filters)
        assert {name: shown.value(name) for name in filters} == filters
        return [row[0] for row in shown.rows()]

    assert found(status="failed") == ["FYBX00000", "FYBX00001"]
    assert found(status="synced") == ["FYBX00002", "FYBX00003", "FYBX00004"]
    assert found(image_no="FYBX00003") == ["FYBX00003"]
    assert found(month="2024-01", status="failed") == ["FYBX00000", "FYBX00001"]
    assert found(image_no="%") == []
    assert found(image_no="_YBX") == []
    by_cause = operator.get(f"/batches/{number}/documents?status=failed&code=FILE_CORRUPT")
    assert [row[0] for row in by_cause.rows()] == ["FYBX00000"]
    assert by_cause.value("code") == "FILE_CORRUPT"
    assert found(status="skipped") == []
    assert "没有符合条件" in operator.get(f"/batches/{number}/documents?status=skipped").text


@pytest.mark.parametrize(
    "query", ["status=nonsense", "after=x", "after=-5", "month=nonsense&after=", "status=&code="]
)
def test_a_filter_that_makes_no_sense_is_no_error(
    scene: PageScene, operator: Visitor, query: str
) -> None:
    operator.get(f"/batches/{scene.ended()}/documents?{query}")


def test_documents_come_page_by_page_and_keep_the_filter(
    scene: PageScene, operator: Visitor
) -> None:
    count = 2 * PAGE + 3
    number = scene.long(count)
    path: str | None = f"/batches/{number}/documents?status=pending"
    seen: list[str] = []
    pages = 0
    while path:
        page = operator.get(path)
        seen += [row[0] for row in page.rows()]
        assert page.value("status") == "pending"
        path = next((link for link in page.links if "after=" in link), None)
        pages += 1
    assert pages == 3
    assert seen == [f"FYBX{n:05}" for n in range(count)]
