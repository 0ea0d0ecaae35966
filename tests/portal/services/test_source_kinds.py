"""Data sources of kinds with settings of their own: kept, guarded, and told without secrets."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from portal.models import AuditEvent
from portal.secret_box import SecretBox
from portal.services import sources
from portal.services.opening import open_source, settings_of
from portal.services.source_form import SettingRefused, SourceForm, faults
from portal.services.source_import import take_over
from portal.sync.sources.old_settings import OldSettings
from tests.portal.ledger_scene import Scene

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BOX = SecretBox("k" * 32)
ADDRESS = "postgresql://me:very-secret-word@db.example/img"
S3_SECRET = "s3-secret-word"
SQL: dict[str, Any] = {
    "kind": "sql",
    "settings": {
        "query": "SELECT 1",
        "place": "s3://bucket/a?endpoint=https://s3.example",
        "access_key_id": "AK",
    },
    "secrets": {"database": ADDRESS, "secret_access_key": S3_SECRET},
}


@pytest.fixture
def form() -> SourceForm:
    return SourceForm("旧库", **SQL)


def add(scene: Scene, form: SourceForm) -> None:
    with scene.ledger.write() as session:
        sources.add(session, form, box=BOX, by="admin", now=NOW)


def change(scene: Scene, refilled: set[str], **given: Any) -> SourceForm:
    with scene.ledger.write() as session:
        source = sources.find(session, "旧库")
        changed = sources.form_of(source, BOX, given)
        sources.save(session, changed, box=BOX, by="admin", now=NOW, refilled=refilled)
        return sources.form_of(source, BOX)


def test_secrets_are_encrypted_and_told_to_nobody(scene: Scene, form: SourceForm) -> None:
    add(scene, form)
    with scene.ledger.read() as session:
        row = session.execute(text("SELECT * FROM data_sources WHERE name = '旧库'")).one()
        events = session.scalars(select(AuditEvent).where(AuditEvent.action == "source.add")).all()
        source = sources.find(session, "旧库")
        assert sources.form_of(source, BOX).values["database"] == ADDRESS
    stored = repr(row) + json.dumps([event.detail for event in events], ensure_ascii=False)
    assert "very-secret-word" not in stored + repr(form)
    assert S3_SECRET not in stored + repr(form)
    assert source.base_url == "postgresql://db.example/img · s3://bucket/a"
    assert '"secret_given": true' in stored


def test_what_is_not_given_stays(scene: Scene, form: SourceForm) -> None:
    add(scene, form)
    changed = change(scene, set(), settings={"query": "SELECT 2"})
    assert changed.values["query"] == "SELECT 2"
    assert changed.values["place"] == form.values["place"]
    assert changed.values["secret_access_key"] == S3_SECRET
    assert changed.kind == "sql"


def test_a_secret_is_asked_for_again_where_it_would_go_elsewhere(
    scene: Scene, form: SourceForm
) -> None:
    add(scene, form)
    moved = {"place": "s3://bucket/a?endpoint=https://elsewhere.example"}
    with pytest.raises(SettingRefused) as caught:
        change(scene, set(), settings=moved)
    assert caught.value.setting == "set_secret_access_key"
    changed = change(
        scene, {"set_secret_access_key"}, settings=moved, secrets={"secret_access_key": "new-one"}
    )
    assert changed.values["secret_access_key"] == "new-one"
    assert changed.values["database"] == ADDRESS


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"settings": {**SQL["settings"], "query": "DELETE FROM a"}}, "set_query"),
        ({"settings": {**SQL["settings"], "place": "relative"}}, "set_place"),
        ({"settings": {**SQL["settings"], "place": "/data/../etc"}}, "set_place"),
        ({"settings": {**SQL["settings"], "place": "http://169.254.169.254/"}}, "set_place"),
        ({"settings": {**SQL["settings"], "file": "../{path}"}}, "set_file"),
        ({"settings": {**SQL["settings"], "colour": "red"}}, "set_colour"),
        ({"secrets": {}}, "set_database"),
        ({"secrets": {"database": "mysql://169.254.169.254/a"}}, "set_database"),
    ],
)
def test_what_makes_no_sense_is_named(changes: dict[str, Any], setting: str) -> None:
    found = faults(SourceForm("旧库", **{**SQL, **changes}), None, NOW)
    assert [fault.setting for fault in found] == [setting]
    assert "very-secret-word" not in str(found)


def test_the_kind_of_a_source_stays(scene: Scene, form: SourceForm) -> None:
    add(scene, form)
    with pytest.raises(SettingRefused) as caught:
        change(scene, set(), kind="manifest")
    assert caught.value.setting in ("kind", "set_query")


def test_old_settings_are_imported_into_no_other_kind(scene: Scene, form: SourceForm) -> None:
    add(scene, form)
    found = OldSettings(status="2", url="https://a.example", client_id="c", client_secret="s")
    with scene.ledger.write() as session, pytest.raises(Exception, match="另一种类型"):
        take_over(session, found, "旧库", box=BOX, by="admin", now=NOW)


def test_a_change_has_a_worker_open_it_anew(scene: Scene, form: SourceForm, tmp_path: Path) -> None:
    add(scene, form)
    with scene.ledger.read() as session:
        source = sources.find(session, "旧库")
        before = settings_of(source, tmp_path)
        assert settings_of(source, tmp_path) == before
        open_source(source, BOX, tmp_path).close()
    change(scene, set(), settings={"file": "{fileId}"})
    with scene.ledger.read() as session:
        assert settings_of(sources.find(session, "旧库"), tmp_path) != before
