"""Taking over the older procedure's settings: new, again, in part, and what it says before."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from portal.errors import NotAllowed
from portal.models import AuditEvent, DataSource
from portal.secret_box import SecretBox
from portal.services import source_import, sources
from portal.sync.sources.old_settings import (
    CLIENT_ID,
    CLIENT_SECRET,
    STATUS,
    URL,
    OldSettings,
)
from tests.portal.ledger_scene import BY, Scene

BOX = SecretBox("k" * 32)
NAME = "标准版影像"
SOUND = OldSettings("2", "https://api.piaozone.com/", "ent-1", "s3cret-of-the-client")


def take_over(scene: Scene, settings: OldSettings, name: str = NAME) -> None:
    with scene.ledger.write() as session:
        source_import.take_over(session, settings, name, box=BOX, by=BY, now=scene.now)


def preview(scene: Scene, settings: OldSettings) -> source_import.Preview:
    with scene.ledger.read() as session:
        return source_import.preview(session, settings, NAME, box=BOX, now=scene.now)


def source(scene: Scene) -> DataSource:
    with scene.ledger.read() as session:
        return sources.find(session, NAME)


def with_(**values: Any) -> OldSettings:
    named = {name: getattr(SOUND, name) for name in ("status", "url", "client_id", "client_secret")}
    return OldSettings(**{**named, **values})


def test_two_enables(scene: Scene) -> None:
    take_over(scene, SOUND)
    made = source(scene)
    assert (made.enabled, made.imported_status) == (True, None)
    form = sources.form_of(made, BOX)
    assert (form.base_url, form.client_id, form.client_secret) == (
        SOUND.url,
        SOUND.client_id,
        SOUND.client_secret,
    )


@pytest.mark.parametrize("status", ["0", "1", "02", "true", "", "9" * 300])
def test_anything_else_imports_it_disabled_and_is_shown(scene: Scene, status: str) -> None:
    take_over(scene, with_(status=status))
    made = source(scene)
    assert (made.enabled, made.imported_status) == (False, status[:64])
    with scene.ledger.write() as session:
        again = sources.find(session, NAME)
        sources.set_enabled(session, again, enabled=True, by=BY, now=scene.now)
    assert (source(scene).enabled, source(scene).imported_status) == (True, None)


def test_again_changes_what_is_given_and_leaves_the_rest(scene: Scene) -> None:
    take_over(scene, SOUND)
    with scene.ledger.write() as session:
        form = sources.form_of(sources.find(session, NAME), BOX, {"concurrency_cap": 7})
        sources.save(session, form, box=BOX, by=BY, now=scene.now, refilled=())
    take_over(scene, OldSettings(url=f"{SOUND.url}/v2"))
    form = sources.form_of(source(scene), BOX)
    assert (form.base_url, form.client_secret) == (f"{SOUND.url}/v2", SOUND.client_secret)
    assert form.concurrency_cap == 7
    assert source(scene).enabled  # no status was given
    take_over(scene, with_(status="0"))
    assert not source(scene).enabled


def test_another_host_is_not_given_the_secret_that_is_stored(scene: Scene) -> None:
    take_over(scene, SOUND)
    moved = OldSettings(url="https://other.example")
    assert preview(scene, moved).blocking == (CLIENT_SECRET,)
    with pytest.raises(NotAllowed, match="clientSecret"):
        take_over(scene, moved)
    assert sources.form_of(source(scene), BOX).base_url == SOUND.url
    whole = OldSettings(url="https://other.example", client_secret="an0ther")
    assert preview(scene, whole).blocking == ()
    take_over(scene, whole)
    form = sources.form_of(source(scene), BOX)
    assert (form.base_url, form.client_secret) == ("https://other.example", "an0ther")


def test_a_new_one_lacks_nothing_and_makes_sense(scene: Scene) -> None:
    lacking = with_(client_secret="")
    with pytest.raises(NotAllowed, match=CLIENT_SECRET):
        take_over(scene, lacking)
    assert preview(scene, lacking).blocking == (CLIENT_SECRET,)
    wrong = with_(url="api.piaozone.com")
    with pytest.raises(NotAllowed, match="源系统地址"):
        take_over(scene, wrong)
    assert preview(scene, wrong).blocking == (URL,)
    with scene.ledger.read() as session:
        assert session.scalar(select(DataSource).where(DataSource.name == NAME)) is None


def test_the_preview_shows_all_but_the_secret(scene: Scene) -> None:
    seen = preview(scene, SOUND)
    assert not seen.replaces
    assert seen.enables
    assert seen.blocking == ()
    assert {one.key: one.value for one in seen.found}[STATUS] == "2"
    assert "s3cret" not in repr(seen)
    take_over(scene, SOUND)
    assert preview(scene, SOUND).replaces


def test_the_trail_says_whose_status_it_was_and_no_secret(scene: Scene) -> None:
    take_over(scene, with_(status="1"))
    with scene.ledger.read() as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [event.action for event in events[-2:]] == ["source.disable", "source.import"]
    assert events[-2].reason == f"{STATUS}=1"
    assert "s3cret" not in str([(event.detail, event.reason) for event in events])


def test_what_a_page_carries_is_sealed(scene: Scene) -> None:
    carried = source_import.sealed(SOUND, BOX)
    assert "s3cret" not in carried
    assert source_import.unsealed(carried, BOX) == SOUND
    for broken in ("", "x", carried[:-4], BOX.close("5"), BOX.close("{}"), BOX.close("[]")):
        with pytest.raises(NotAllowed):
            source_import.unsealed(broken, BOX)


def test_the_same_again_changes_nothing_and_what_would_change_is_told(scene: Scene) -> None:
    take_over(scene, SOUND)
    assert not preview(scene, SOUND).changes
    seen = preview(scene, with_(client_id="ent-2", client_secret="another", status="1"))
    before = {found.key: found.before for found in seen.found if found.before}
    assert before == {CLIENT_ID: "ent-1", CLIENT_SECRET: "•••••• (20)"}
    assert seen.changes
    assert preview(scene, with_(status="1")).changes


def test_a_data_source_is_not_doubled_under_another_name(scene: Scene) -> None:
    take_over(scene, with_(url="https://API.piaozone.com"), "旧系统")
    with scene.ledger.read() as session:
        assert source_import.name_for(session, SOUND) == "旧系统"
        assert source_import.name_for(session, with_(client_id="ent-2")) == NAME
    with pytest.raises(NotAllowed, match="旧系统"):
        take_over(scene, SOUND)
    take_over(scene, SOUND, "旧系统")
    take_over(scene, with_(client_id="ent-2"))
