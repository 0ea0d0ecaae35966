"""数据源 of the kinds that have settings of their own: the form, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.services import sources
from portal.sync.sources.kinds import KINDS
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor

Visit = Callable[[str], Visitor]
ADDRESS = "mysql://me:very-secret-word@db.example/img"
POST = "/sources/new"


def kept(scene: PageScene, name: str) -> sources.SourceForm:
    with scene.portal.ledger.read() as session:
        return sources.form_of(sources.find(session, name), scene.portal.box)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_form_with_its_own_settings(admin: Visitor, kind: str) -> None:
    page = admin.get(f"/sources/new?kind={kind}")
    for one in KINDS[kind].settings:
        assert one.zh in page.text
        assert one.hint_zh in page.text
    assert ("clientId" in page.text) == KINDS[kind].has_login


def test_a_kind_there_is_not_is_not_found(admin: Visitor) -> None:
    admin.get("/sources/new?kind=nonsense", status=404)


def test_a_manifest_is_added_shown_and_changed(scene: PageScene, admin: Visitor) -> None:
    form = admin.get("/sources/new?kind=manifest").form(POST)
    page = admin.submit(form, {"name": "清单", "set_place": "/data/export"})
    assert page.messages == ["已新增数据源 清单，请测试连接"]
    assert "/data/export" in page.text
    assert "manifest.csv" in page.text
    assert "clientId" not in page.text
    assert kept(scene, "清单").kind == "manifest"
    edit = f"{page.path}/edit"
    admin.submit(admin.get(edit).form(edit), {"set_manifest": "b.jsonl"})
    assert kept(scene, "清单").values["manifest"] == "b.jsonl"
    assert kept(scene, "清单").values["place"] == "/data/export"
    assert "/data/export" in admin.get("/sources/").text


def test_what_is_wrong_is_said_at_its_field(scene: PageScene, admin: Visitor) -> None:
    form = admin.get("/sources/new?kind=sql").form(POST)
    given = {
        "name": "旧库",
        "set_database": ADDRESS,
        "set_query": "DROP TABLE a",
        "set_place": "/data",
    }
    page = admin.submit(form, given, status=422)
    assert "SELECT" in page.text
    assert "very-secret-word" not in str(page.root)
    with scene.portal.ledger.read() as session:
        assert "旧库" not in [one.name for one in sources.all_sources(session)]


def test_a_secret_stays_when_it_is_left_empty_and_is_never_shown(
    scene: PageScene, admin: Visitor, visit: Visit
) -> None:
    form = admin.get("/sources/new?kind=sql").form(POST)
    given = {
        "name": "旧库",
        "set_database": ADDRESS,
        "set_query": "SELECT a\r\nFROM b",
        "set_place": "/data",
    }
    page = admin.submit(form, given)
    assert "mysql://db.example/img" in admin.get("/sources/").text
    edit = f"{page.path}/edit"
    shown = admin.get(edit)
    admin.submit(shown.form(edit), {"set_file": "{fileId}"})
    assert kept(scene, "旧库").values["database"] == ADDRESS
    for one in (page, shown, admin.get(page.path), visit("auditor").get("/audit/")):
        assert "very-secret-word" not in str(one.root)
