"""The table route × role on things that exist and are somebody else's, or another parent's.

The batches, samples, chores and exports here were all made by people who are not asking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from executor.calls import CALLS
from executor.models import Base as ExecutorBase
from portal.access import ACCESS
from portal.models import Base, BatchItem, Role, Verdict, VersionFile, utc_now
from portal.services import chores, exports, fetches, zookeeper_import
from portal.services.selection import Selection
from portal.services.source_check import Finding
from portal.sync.sources.zookeeper_place import ZooKeeperPlace
from tests.portal.services.sample_scene import Sampling
from tests.portal.views.page_scene import TOKEN, Content, PageScene
from tests.portal.views.visitor import Visitor

Visit = Callable[[str], Visitor]
SOMEBODY = "li"
FIRST, SECOND = Content("a.txt", b"first", "txt"), Content("b.txt", b"second", "txt")


@dataclass
class World:
    """Something of everything, by the names it has in the addresses."""

    app: Flask
    scene: PageScene
    ids: dict[str, object]
    other_batch: str
    audit_export: int

    def address(self, rule: Rule, **other: object) -> str:
        """Of a thing that exists; an argument that is not known here fails the test."""
        values = self.ids | other
        match rule.endpoint:
            case "packages.show" | "packages.outcome":
                values["chore_id"] = self.ids["fetch_id"]
            case "batches.preview_live":
                values["chore_id"] = self.ids["preview_id"]
            case "sources.zookeeper_answer" | "sources.zookeeper_found":
                values["chore_id"] = self.ids["zookeeper_id"]
            case "documents.download_version":
                values["file_id"] = self.ids["version_file_id"]
        wanted = {name: values[name] for name in rule.arguments}
        return self.app.url_map.bind("localhost").build(rule.endpoint, wanted)

    def rules(self, method: str = "") -> list[Rule]:
        found = self.app.url_map.iter_rules()
        return [rule for rule in found if not method or method in (rule.methods or ())]

    def kept(self) -> dict[str, list[tuple[object, ...]]]:
        """All rows of the ledger but those that an answered look may leave."""
        tables = [*Base.metadata.sorted_tables, *ExecutorBase.metadata.sorted_tables]
        with self.scene.portal.ledger.read() as session:
            return {
                table.name: [tuple(row) for row in session.execute(table.select())]
                for table in tables
            }


@pytest.fixture
def world(app: Flask, scene: PageScene) -> World:
    portal, now = scene.portal, utc_now()
    document = scene.replaced(scene.archived(FIRST), SECOND)
    ended, other = scene.ended("FILE_CORRUPT"), scene.ended(*["FILE_CORRUPT"] * 3)
    sample = Sampling(scene.ledger_scene, scene.home).drawn(size="1")
    with portal.ledger.write() as session:
        wish = Selection(batch_nos=(ended,))
        fetch = fetches.ask(session, wish, permanent_too=False, by=SOMEBODY, now=now)
        place = ZooKeeperPlace.parse("zk1")
        zookeeper = zookeeper_import.ask(session, place, box=portal.box, by=SOMEBODY, now=now)
        params = {"source": scene.ledger_scene.source_id, "scope": {}}
        preview = chores.ask(session, "preview", by=SOMEBODY, now=now, subject="x", params=params)
        asked = [
            exports.ask(
                session, kind, format_="csv", language="zh", filters={}, by=SOMEBODY, now=now
            )
            for kind in ("batches", "audit")
        ]
        session.flush()
        version_file = session.scalars(select(VersionFile.id)).first()
        ids: dict[str, object] = {
            "fetch_id": fetch.id,
            "zookeeper_id": zookeeper.id,
            "preview_id": preview.id,
            "chore_id": fetch.id,
            "export_id": asked[0].id,
            "version_file_id": version_file,
        }
        audit_export = asked[1].id
    channel = scene.notice_channel()
    ids |= {
        "filename": "css/portal.css",
        "batch_no": ended,
        "name": "pause",
        "wish": "probe",
        "change": "disable",
        "source_id": scene.ledger_scene.source_id,
        "target_id": scene.target(),
        "user_id": scene.user_id("operator"),
        "document_id": document.id,
        "file_id": scene.file(document).id,
        "run_id": scene.job_run(app, 1),
        "preflight_id": scene.preflight(Finding("reach", "failed", "连不上", "no", "修", "mend")),
        "channel_id": channel,
        "notice_id": 1,
        "sample_id": sample,
        "position": 1,
        "number": 0,
    }
    return World(app, scene, ids, other, audit_export)


# What the table leaves to the view: who asked for it, and what it is of.
OWN_ONLY = {("chores.cancel", Role.AUDITOR)}


@pytest.mark.parametrize("role", list(Role))
def test_who_may_not_is_refused_for_what_exists_too_and_changes_nothing(
    world: World, visit: Visit, role: Role
) -> None:
    visitor = visit(role.value)
    token = visitor.token()
    before = world.kept()
    refused = set()
    for rule in world.rules():
        allowed = ACCESS[rule.endpoint]
        may = allowed is None or role in allowed
        if may and (rule.endpoint, role) not in OWN_ONLY:
            continue
        for method in {"GET", "POST"} & (rule.methods or set()):
            data = {"csrf_token": token} if method == "POST" else {}
            with visitor.client.open(world.address(rule), method=method, data=data) as answer:
                assert answer.status_code == 403, rule
            refused.add(rule.endpoint)
    assert world.kept() == before
    assert bool(refused) == (role is not Role.ADMIN)


@pytest.mark.parametrize("role", list(Role))
def test_who_may_sees_what_others_have_made(world: World, visit: Visit, role: Role) -> None:
    for rule in world.rules("GET"):
        allowed = ACCESS[rule.endpoint]
        if allowed is None or role not in allowed:
            continue
        with visit(role.value).client.get(world.address(rule)) as answer:
            assert answer.status_code != 403, rule
            assert not answer.headers.get("Location", "").startswith("/login"), rule


def test_nobody_gets_at_what_exists_without_a_login_or_a_forms_token(
    world: World, visit: Visit, stranger: Visitor
) -> None:
    token = stranger.token()
    admin = visit("admin")
    before = world.kept()
    for rule in world.rules():
        if ACCESS[rule.endpoint] is None:
            continue
        for method in {"GET", "POST"} & (rule.methods or set()):
            data = {"csrf_token": token} if method == "POST" else {}
            answer = stranger.client.open(world.address(rule), method=method, data=data)
            assert answer.status_code == 302, rule
            assert answer.headers["Location"].startswith("/login"), rule
            if method == "POST":  # another one's token is none
                for forged in ({}, data):
                    refused = admin.client.post(world.address(rule), data=forged)
                    assert refused.status_code == 400, rule
    assert world.kept() == before


def test_what_is_exported_of_the_trail_is_for_those_who_may_read_it(
    world: World, visit: Visit
) -> None:
    for rule in world.rules("GET"):
        if "export_id" not in rule.arguments:
            continue
        path = world.address(rule, export_id=world.audit_export)
        for role in Role:
            with visit(role.value).client.get(path) as answer:
                assert (answer.status_code == 403) == (role is Role.OPERATOR), (rule, role)


def test_an_auditor_cancels_what_they_asked_for_and_nothing_else(
    world: World, auditor: Visitor, scene: PageScene
) -> None:
    auditor.post(f"/chores/{world.ids['fetch_id']}/cancel", status=403)
    with scene.portal.ledger.write() as session:
        asked = exports.ask(
            session, "batches", format_="csv", language="zh", filters={}, by="auditor",
            now=utc_now(),
        )  # fmt: skip
        session.flush()
        chore_id = asked.chore_id
    auditor.post(f"/chores/{chore_id}/cancel", {"next": "/exports/"}, status=303)
    with scene.portal.ledger.read() as session:
        assert chores.find(session, int(str(chore_id))).status == "cancelled"
        assert chores.find(session, int(str(world.ids["fetch_id"]))).status == "waiting"


def test_a_chore_of_another_kind_is_not_found(world: World, admin: Visitor) -> None:
    kinds = ("fetch_id", "zookeeper_id", "preview_id")
    pages = {
        "fetch_id": ("/packages/{}", "/packages/{}/outcome"),
        "zookeeper_id": ("/sources/import-zookeeper/{}", "/sources/import-zookeeper/{}/found"),
        "preview_id": ("/batches/new/{}",),
    }
    for kind, paths in pages.items():
        for other in set(kinds) - {kind}:
            for path in paths:
                admin.get(path.format(world.ids[other]), status=404)


def test_a_document_of_another_batch_is_not_sent_again(
    world: World, operator: Visitor, scene: PageScene
) -> None:
    """Neither by its own page, nor ticked in a batch's list."""
    mine = scene.batch(str(world.ids["batch_no"]))
    theirs = scene.batch(world.other_batch)
    with scene.portal.ledger.read() as session:
        query = select(BatchItem).where(BatchItem.batch_id == theirs.id)
        items = session.scalars(query.where(BatchItem.status == "failed")).all()
        known = set(
            session.scalars(select(BatchItem.document_id).where(BatchItem.batch_id == mine.id))
        )
    foreign = [item for item in items if item.document_id not in known]
    assert foreign
    before = world.kept()
    for item in foreign:
        operator.post(f"/documents/{item.document_id}/retry/{mine.batch_no}", status=303)
        fields = {"item_id": str(item.id), "document_id": str(item.document_id)}
        operator.post(f"/batches/{mine.batch_no}/documents/retry", fields, status=303)
    after = world.kept()
    assert after["batch_items"] == before["batch_items"]
    assert after["batches"] == before["batches"]
    assert after["documents"] == before["documents"]


def test_a_file_of_another_document_is_not_shown_on_its_page(
    world: World, auditor: Visitor, scene: PageScene
) -> None:
    other = scene.archived(Content("secret-name.txt", b"x", "txt"), image_no="FYBX90002")
    foreign = scene.file(other).id
    page = auditor.get(f"/documents/{world.ids['document_id']}?file={foreign}")
    assert "secret-name.txt" not in page.text
    assert not any(str(f"/files/{foreign}/") in link for link in page.links)


def test_a_position_no_sample_has_is_not_found(
    world: World, auditor: Visitor, scene: PageScene
) -> None:
    small, larger = int(str(world.ids["sample_id"])), Sampling(scene.ledger_scene, scene.home)
    wide = larger.drawn(size="3")
    before = world.kept()
    for position in (0, 2, 3, 99):
        place = f"/samples/{small}/documents/{position}"
        for path in (place, f"{place}/compared", f"{place}/source/0"):
            auditor.get(path, status=404)
        auditor.post(f"{place}/fetch", status=404)
        auditor.post(f"{place}/judge", {"verdict": Verdict.MATCH.value}, status=404)
    auditor.get(f"/samples/{wide}/documents/2")
    assert world.kept() == before


def test_a_file_of_today_is_none_of_an_earlier_version(world: World, auditor: Visitor) -> None:
    """The two are numbered apart: neither address leads to the other's file."""
    current, earlier = world.ids["file_id"], world.ids["version_file_id"]
    with auditor.client.get(f"/files/{current}/download") as answer:
        assert answer.get_data() == SECOND.body
    with auditor.client.get(f"/versions/files/{earlier}/download") as answer:
        assert answer.get_data() == FIRST.body
    auditor.get(f"/versions/files/{int(str(current)) + 1000}/download", status=404)


def test_the_executors_calls_ask_for_the_token_and_for_nothing_else(
    app: Flask, scene: PageScene, admin: Visitor
) -> None:
    """They stand before the application and in no table: a login is worth nothing to them."""
    assert not any(rule.rule.startswith("/xxl-job") for rule in app.url_map.iter_rules())
    tables = ExecutorBase.metadata.sorted_tables

    def kept() -> list[object]:
        with scene.portal.ledger.read() as session:
            return [tuple(row) for table in tables for row in session.execute(table.select())]

    before = kept()
    for word in (*CALLS, "unknown", "", "run/", "../login", "RUN"):
        for headers in ({}, {"XXL-JOB-ACCESS-TOKEN": "another"}, {"XXL-JOB-ACCESS-TOKEN": ""}):
            for client in (admin.client, app.test_client()):
                for method in ("GET", "POST"):
                    answer = client.open(
                        f"/xxl-job/{word}", method=method, json={"jobId": 1}, headers=headers
                    )
                    assert answer.status_code in (200, 404), (word, answer.status_code)
                    said = answer.get_json(silent=True)
                    assert said is None or said["code"] != 200, (word, headers)
    assert kept() == before
    allowed = {"XXL-JOB-ACCESS-TOKEN": TOKEN}
    assert app.test_client().post("/xxl-job/beat", headers=allowed).get_json()["code"] == 200
