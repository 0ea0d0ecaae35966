"""兼容性扫描 on a batch's page."""

from __future__ import annotations

from portal.errors import SyncError
from portal.models import Batch, utc_now
from portal.services import batches, scanning
from portal.services.scanning import Findings
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor


def keep_scan(scene: PageScene, number: str, code: str) -> None:
    """A scan that predicted one document to fail for a cause."""
    with scene.portal.ledger.read() as session:
        batch: Batch = batches.find(session, number)
        plan = scanning.plan_of(batch, sample=3, seed=42)
    found = Findings(documents=5, files=9, bytes=1000, sampled=3)
    found.note(SyncError(code, field="bill_no", detail="x"), "FYBX9", "发票.pdf")
    scanning.keep(
        scene.portal.ledger,
        plan,
        found,
        chore_id=None,
        by="operator",
        started_at=utc_now(),
        now=utc_now(),
    )


def test_it_is_asked_for_and_shown_live(scene: PageScene, operator: Visitor) -> None:
    number = scene.waiting()
    page = operator.get(f"/batches/{number}/scan")
    assert "还没有扫描过" in page.text
    page = operator.submit(page.form("/scan"), {"sample": "3"})
    assert page.messages == ["已开始兼容性扫描"]
    of_batch, region = page.pollers
    assert of_batch.get("hx-get") == f"/batches/{number}/progress?tab=scan"
    assert region.get("hx-get").startswith("/chores/")
    assert page.actions >= {"cancel"}
    assert "scan" not in page.actions


def test_predicted_stands_beside_actual(scene: PageScene, auditor: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT")
    keep_scan(scene, number, "META_MISSING_FIELD")
    page = auditor.get(f"/batches/{number}/scan")
    rows = {row[0]: row for row in page.rows()}
    assert rows["META_MISSING_FIELD"][2:5] == ["1", "0", "0"]
    assert rows["FILE_CORRUPT"][2:5] == ["0", "0", "1"]
    assert "FYBX9" in rows["META_MISSING_FIELD"][5]
    assert "处理措施" in page.text
    assert f"/batches/{number}/documents?status=failed&code=FILE_CORRUPT" in page.links
    assert page.actions <= {"language", "logout", "batches"}  # 打包下载 changes nothing


def test_the_result_alone_is_what_the_page_shows(scene: PageScene, auditor: Visitor) -> None:
    number = scene.waiting()
    keep_scan(scene, number, "META_MISSING_FIELD")
    part = auditor.get(f"/batches/{number}/scan/result", htmx=True)
    assert part.rows() == auditor.get(f"/batches/{number}/scan").rows()
    assert part.rows()[0][4] == "—"
