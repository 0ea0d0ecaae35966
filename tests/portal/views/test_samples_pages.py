"""随机抽查 on the pages, from the manifest to the statement, as an auditor goes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from portal.chores.clerk import Clerk
from portal.chores.kinds import KINDS
from portal.models import AuditEvent, Chore, Document, Sample, SampleDocument, utc_now
from portal.services import source_copies
from portal.services.opening import OpenSource
from portal.statuses import ChoreStatus
from portal.sync.sources.rows import SourceDocument
from tests.portal.fake_source import make_document, make_file
from tests.portal.services.sample_scene import NONCE, file_server, opened_source
from tests.portal.views.page_scene import Content, PageScene
from tests.portal.views.visitor import Page, Visitor

Visit = Callable[[str], Visitor]
Bodies = dict[str, bytes]


def picture(shade: int) -> bytes:
    out = BytesIO()
    Image.new("RGB", (60, 40), (shade, 120, 200)).save(out, "PNG")
    return out.getvalue()


def listed(document: Document, bodies: Bodies) -> SourceDocument:
    names = {"f-9-1": "扫描件.png", "f-9-2": "说明.txt"}
    files = tuple(
        make_file(9, n, name=names[file_id], suffix=names[file_id][-3:], category="invoice")
        for n, file_id in enumerate(bodies, start=1)
    )
    return replace(make_document(0, image_no=document.image_no), files=files)


@pytest.fixture
def bodies() -> Bodies:
    """What the source hands out, by file id."""
    return {"f-9-1": picture(10), "f-9-2": "说明\n".encode() * 20}


@pytest.fixture
def archived(scene: PageScene, bodies: Bodies) -> Document:
    """One document, archived as the source has it."""
    return scene.archived(
        Content("扫描件.png", bodies["f-9-1"], "png", pages=1),
        Content("说明.txt", bodies["f-9-2"], "txt"),
    )


@pytest.fixture
def clerk(
    scene: PageScene, archived: Document, bodies: Bodies, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Clerk]:
    """Who does the chores, with a source that hands out the bodies."""

    with file_server(bodies) as address:

        def opened(*_: object) -> OpenSource:
            return opened_source([listed(archived, bodies)], address)

        monkeypatch.setattr("portal.chores.sampling.open_source", opened)
        yield Clerk(scene.portal, KINDS)


def start(visitor: Visitor, **fields: str) -> Page:
    form = visitor.get("/samples/").form("/samples/start")
    return visitor.submit(form, {"month": "2024-01", **fields})


def sealed(visitor: Visitor, clerk: Clerk) -> Page:
    start(visitor)
    assert clerk.do_one(["sample.manifest"])
    return visitor.get("/samples/1")


def drawn(visitor: Visitor, clerk: Clerk, **fields: str) -> Page:
    form = sealed(visitor, clerk).form("/draw")
    return visitor.submit(form, {"nonce": NONCE, "size": "1", **fields})


@contextmanager
def kept(scene: PageScene) -> Iterator[tuple[Sample, SampleDocument]]:
    with scene.portal.ledger.read() as session:
        yield session.query(Sample).one(), session.query(SampleDocument).one()


def actions(scene: PageScene) -> list[tuple[str, str]]:
    with scene.portal.ledger.read() as session:
        query = session.query(AuditEvent).filter(AuditEvent.action.like("sample.%"))
        return [(event.action, event.actor) for event in query.order_by(AuditEvent.id)]


@pytest.mark.parametrize("name", ["admin", "operator", "auditor"])
def test_from_the_manifest_to_the_statement(
    scene: PageScene, clerk: Clerk, visit: Visit, name: str, tmp_path: Path
) -> None:
    visitor = visit(name)
    waiting = start(visitor)
    assert waiting.pollers
    assert clerk.do_one(["sample.manifest"])
    page = visitor.get("/samples/1")
    assert not page.pollers
    assert "/draw" not in visitor.get("/samples/").text
    with visitor.raw("/samples/1/manifest") as download:
        assert "attachment" in download.headers["Content-Disposition"]
        manifest = download.data
    digest = hashlib.sha256(manifest).hexdigest()
    assert digest in page.text
    page = visitor.submit(page.form("/draw"), {"nonce": NONCE, "size": "1"})
    assert NONCE in page.text
    assert "/draw" not in page.actions

    (tmp_path / "m").write_bytes(manifest)
    program = page.root.one(id="recipe").typed()
    printed = subprocess.run(
        [sys.executable, "-I", "-c", program, tmp_path / "m"], check=True, capture_output=True
    ).stdout.decode()
    assert printed.splitlines() == ["EAS\tFYBX90001"]

    shown = visitor.get("/samples/1/documents/1")
    waiting = visitor.submit(shown.form("/fetch"))
    assert waiting.pollers
    assert clerk.do_one(["sample.compare"])
    shown = visitor.get("/samples/1/documents/1")
    assert not shown.pollers
    assert "全部文件一致" in shown.text
    assert "摘要不同" not in shown.text
    scans = [image.get("src") for image in shown.root.all("img", class_="scan")]
    pictures = [visitor.raw(address) for address in scans]
    assert [one.status_code for one in pictures] == [200, 200]
    assert pictures[0].data == pictures[1].data

    judged = visitor.submit(shown.form("/judge"), {"verdict": "match", "remark": "逐页看过"})
    assert "相符" in judged.text
    assert judged.value("remark") == "逐页看过"
    closed = visitor.submit(visitor.get("/samples/1").form("/close"))
    assert "封存清单共 1 份单据" in closed.text
    assert "Of the 1 documents" in closed.text
    assert not closed.actions - {"language", "logout"}
    after = visitor.get("/samples/1/documents/1")
    assert not after.actions - {"language", "logout"}
    assert [action for action, _ in actions(scene)] == [
        "sample.ask",
        "sample.seal",
        "sample.manifest",
        "sample.draw",
        "sample.compare",
        "sample.judge",
        "sample.close",
    ]
    assert {actor for _, actor in actions(scene)} == {name}
    with kept(scene) as (sample, row):
        assert (sample.bound, sample.closed_by) == (0, name)
        assert (row.judged_by, row.verdict, row.remark) == (name, "match", "逐页看过")


def test_what_differs_is_seen(
    scene: PageScene, clerk: Clerk, bodies: Bodies, auditor: Visitor
) -> None:
    drawn(auditor, clerk)
    bodies["f-9-1"] = picture(200)
    bodies.pop("f-9-2")
    auditor.submit(auditor.get("/samples/1/documents/1").form("/fetch"))
    assert clerk.do_one(["sample.compare"])
    page = auditor.get("/samples/1/documents/1")
    assert page.text.count("摘要不同") == 2
    assert "与封存不一致" in page.text
    assert "没有这个文件" in page.text
    source, archive = [image.get("src") for image in page.root.all("img", class_="scan")]
    assert auditor.raw(source).data != auditor.raw(archive).data
    later = utc_now() + timedelta(hours=25)
    assert source_copies.remove_old(scene.portal.ledger, scene.portal.archive, now=later) == 1
    assert "已清理" in auditor.raw(source).text
    assert "不一致" in auditor.get("/samples/1").text


def test_what_makes_no_sense_is_refused_with_the_reason(clerk: Clerk, auditor: Visitor) -> None:
    assert any("月份" in message for message in start(auditor, month="2024-1x").messages)
    page = sealed(auditor, clerk)
    for fields, why in (
        ({"nonce": "short", "size": "1"}, "随机串"),
        ({"nonce": NONCE, "size": "1", "limit": "5"}, "填一项"),
        ({"nonce": NONCE}, "填一项"),
    ):
        refused = auditor.submit(page.form("/draw"), fields)
        assert any(why in message for message in refused.messages), fields
    auditor.submit(page.form("/draw"), {"nonce": NONCE, "limit": "10"})
    again = auditor.submit(page.form("/draw"), {"nonce": NONCE, "size": "1"})
    assert any("抽过样" in message for message in again.messages)
    shown = auditor.get("/samples/1/documents/1")
    refused = auditor.submit(shown.form("/judge"), {"verdict": "perhaps"})
    assert any("选择结论" in message for message in refused.messages)
    refused = auditor.post("/samples/1/close", status=303)
    assert any("没有结论" in message for message in refused.messages)
    for path in ("/samples/2", "/samples/1/documents/2", "/samples/1/documents/1/source/0"):
        auditor.get(path, status=404)


def test_after_closing_a_late_form_is_refused(
    scene: PageScene, clerk: Clerk, auditor: Visitor
) -> None:
    drawn(auditor, clerk)
    shown = auditor.get("/samples/1/documents/1")
    auditor.submit(shown.form("/judge"), {"verdict": "undecided"})
    closed = auditor.submit(auditor.get("/samples/1").form("/close"))
    assert "无法判断 1 份，按不相符计" in closed.text
    for form, fields in ((shown.form("/judge"), {"verdict": "match"}), (shown.form("/fetch"), {})):
        refused = auditor.submit(form, fields)
        assert any("已结束" in message for message in refused.messages)
    with kept(scene) as (sample, row):
        assert (row.verdict, sample.found, sample.undecided) == ("undecided", 1, 1)


def test_a_manifest_that_is_gone_says_what_to_do(
    scene: PageScene, clerk: Clerk, auditor: Visitor
) -> None:
    sealed(auditor, clerk)
    for folder in (scene.home / "archive" / ".kept" / "samples").iterdir():
        (folder / "manifest").unlink()
    response = auditor.raw("/samples/1/manifest")
    assert response.status_code == 303
    assert any("处理措施" in message for message in auditor.get("/samples/1").messages)


def test_a_manifest_that_was_cancelled_says_so(
    scene: PageScene, clerk: Clerk, operator: Visitor
) -> None:
    page = start(operator)
    operator.submit(page.form("/cancel"))
    with scene.portal.ledger.read() as session:
        assert session.query(Chore).one().status is ChoreStatus.CANCELLED
    assert "已取消" in operator.get("/samples/").text
    assert "已取消" in operator.get("/samples/1").text


def test_the_pages_speak_english(clerk: Clerk, auditor: Visitor) -> None:
    auditor.speak_english()
    start(auditor)
    assert clerk.do_one(["sample.manifest"])
    page = auditor.submit(auditor.get("/samples/1").form("/draw"), {"nonce": NONCE, "size": "1"})
    shown = auditor.get("/samples/1/documents/1")
    auditor.submit(shown.form("/fetch"))
    assert clerk.do_one(["sample.compare"])
    shown = auditor.get("/samples/1/documents/1")
    auditor.submit(shown.form("/judge"), {"verdict": "match"})
    auditor.submit(page.form("/close"), status=303) if "close" in page.actions else None
    auditor.get("/samples/?source=影像系统")
    auditor.get("/samples/1?verdict=match")
    auditor.get("/audit/")
