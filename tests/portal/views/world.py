"""Something of everything that has an address, so that every route is asked for what exists."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from executor.models import Base as ExecutorBase
from portal.models import Base, VersionFile, utc_now
from portal.services import chores, exports, fetches, zookeeper_import
from portal.services.scope_words import words_of
from portal.services.selection import Selection
from portal.services.source_check import Finding
from portal.sync.sources.zookeeper_place import ZooKeeperPlace
from tests.portal.services.sample_scene import Sampling
from tests.portal.views.page_scene import Content, PageScene

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


def world_of(app: Flask, scene: PageScene) -> World:
    """Made by people who are not asking: batches, a sample, chores and exports."""
    portal, now = scene.portal, utc_now()
    document = scene.replaced(scene.archived(FIRST), SECOND)
    ended, other = scene.ended("FILE_CORRUPT"), scene.ended(*["FILE_CORRUPT"] * 3)
    sample = Sampling(scene.ledger_scene, scene.home).drawn(size="1")
    with portal.ledger.write() as session:
        wish = Selection(batch_nos=(ended,))
        fetch = fetches.ask(session, wish, permanent_too=False, by=SOMEBODY, now=now)
        place = ZooKeeperPlace.parse("zk1")
        zookeeper = zookeeper_import.ask(session, place, box=portal.box, by=SOMEBODY, now=now)
        params = words_of(scene.ledger_scene.scope())
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
