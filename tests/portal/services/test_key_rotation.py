"""Replacing the secret key: nothing is lost, nothing can be forged, the late write nothing."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal.errors import SyncError
from portal.key_derivation import fingerprint
from portal.models import AuditEvent, Chore, DataSource, NoticeChannel, RetiredSealKey
from portal.notify.kinds import ChannelKind, NoticeEvent
from portal.seal_key import SealKey
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import (
    key_rotation,
    notice_channels,
    restores,
    retired_seal_keys,
    same_keys,
    sources,
    zookeeper_import,
)
from portal.services.key_rotation import Rotation
from portal.services.notice_channels import ChannelForm
from portal.services.same_keys import Keys
from portal.sync.sources.old_settings import OldSettings
from portal.sync.sources.zookeeper_place import ZooKeeperPlace
from tests.portal.ledger_scene import BY, Scene
from tests.portal.trail_scene import Trail

OLD, NEW, NEWER = ("first key " * 4, "second key " * 4, "third key " * 4)
SECRET, PROXY = "a client's secret", "http://user:proxy-word@proxy.example:3128"
ROBOT = "https://robot.example/send?key=robots-key"


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """A ledger that was begun with the old key."""
    same_keys.check(scene.ledger, Keys.of(fingerprint(OLD), None), now=scene.now)
    return scene


@pytest.fixture
def trail(scene: Scene) -> Trail:
    trail = Trail(scene.ledger)
    for _ in range(3):
        trail.write(2)
        trail.seal(key=SealKey(OLD))
    return trail


def rotate(scene: Scene, old: str = OLD, new: str = NEW) -> Rotation | None:
    with scene.ledger.write() as session:
        return key_rotation.rotate(session, old, new, by=BY, now=scene.now)


def add_source(session: Session, scene: Scene, box: SecretBox, name: str = "影像") -> DataSource:
    form = sources.SourceForm(
        name=name,
        base_url="http://source.example",
        client_id="c",
        client_secret=SECRET,
        proxy=PROXY,
    )
    return sources.add(session, form, box=box, by=BY, now=scene.now)


def add_channel(session: Session, scene: Scene, box: SecretBox) -> NoticeChannel:
    form = ChannelForm(
        name="群",
        kind=ChannelKind.WECOM,
        language="zh",
        events=(NoticeEvent.HOLD,),
        config={"url": ROBOT},
        portal_url="http://portal.example",
        enabled=True,
    )
    return notice_channels.save(session, form, box=box, by=BY, now=scene.now)


@pytest.fixture
def stored(scene: Scene) -> None:
    """One secret of each kind, closed with the old key."""
    box = SecretBox(OLD)
    with scene.ledger.write() as session:
        add_source(session, scene, box)
        add_channel(session, scene, box)
        place = ZooKeeperPlace.parse("zk.example:2181", "/old", "digest:keeper")
        chore = zookeeper_import.ask(session, place, box=box, by=BY, now=scene.now)
        settings = OldSettings("1", "http://old.example", "c", SECRET)
        chore.result = dict(zookeeper_import.kept(settings, box))


def opened(scene: Scene, key: str) -> list[Any]:
    """Every stored secret, as a process with this key reads it."""
    box = SecretBox(key)
    with scene.ledger.read() as session:
        source = session.scalars(select(DataSource).where(DataSource.name == "影像")).one()
        channel = session.scalars(select(NoticeChannel)).one()
        chore = session.scalars(select(Chore)).one()
        return [
            box.open(source.secret_box),
            box.open(source.proxy_box or ""),
            notice_channels.config_of(channel, box)["url"],
            zookeeper_import.place_of(chore.params, box).login,
            zookeeper_import.found(chore, box).client_secret,
        ]


SECRETS = [SECRET, PROXY, ROBOT, "digest:keeper", SECRET]


@pytest.mark.usefixtures("stored")
def test_every_stored_secret_is_the_new_keys_and_no_longer_the_old_ones(scene: Scene) -> None:
    assert opened(scene, OLD) == SECRETS
    assert rotate(scene) == Rotation(secrets=5, unreadable=0, seal=0)
    assert opened(scene, NEW) == SECRETS
    with pytest.raises(SecretUnreadable):
        opened(scene, OLD)
    same_keys.check(scene.ledger, Keys.of(fingerprint(NEW), None), now=scene.now)
    with scene.ledger.read() as session:
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "key.rotate")).one()
    assert (event.old, event.new, event.actor) == (fingerprint(OLD), fingerprint(NEW), BY)
    assert event.detail == {"secrets": 5, "unreadable": 0, "seal": 0}


@pytest.mark.usefixtures("stored")
def test_a_rotation_that_dies_has_changed_nothing_and_one_done_twice_is_done_once(
    scene: Scene,
) -> None:
    class Died(Exception):
        pass

    def rotate_and_die() -> None:
        with scene.ledger.write() as session:
            key_rotation.rotate(session, OLD, NEW, by=BY, now=scene.now)
            raise Died

    with pytest.raises(Died):
        rotate_and_die()
    assert opened(scene, OLD) == SECRETS
    assert rotate(scene) is not None
    assert rotate(scene) is None
    assert opened(scene, NEW) == SECRETS
    with scene.ledger.read() as session:
        assert len(session.scalars(select(RetiredSealKey)).all()) == 1


@pytest.mark.usefixtures("stored")
def test_a_secret_that_was_unreadable_before_is_counted_and_left(scene: Scene) -> None:
    with scene.ledger.write() as session:
        source = session.scalars(select(DataSource).where(DataSource.name == "影像")).one()
        source.secret_box = lost = SecretBox("a key long gone").close("x")
    rotated = rotate(scene)
    assert rotated is not None
    assert (rotated.secrets, rotated.unreadable) == (4, 1)
    with scene.ledger.read() as session:
        source = session.scalars(select(DataSource).where(DataSource.name == "影像")).one()
        assert source.secret_box == lost


def test_who_still_has_the_old_key_can_neither_store_nor_seal_nor_judge(
    scene: Scene, trail: Trail
) -> None:
    rotate(scene)
    box = SecretBox(OLD)
    for add in (add_source, add_channel):
        with pytest.raises(SyncError, match="SECRET_KEY_CHANGED"), scene.ledger.write() as session:
            add(session, scene, box)
    with pytest.raises(SyncError, match="SECRET_KEY_CHANGED"):
        trail.seal(key=SealKey(OLD))
    with pytest.raises(SyncError, match="SECRET_KEY_CHANGED"):
        trail.verify(key=SealKey(OLD))
    assert trail.seal(key=SealKey(NEW)) == [1]
    assert trail.faults(key=SealKey(NEW)) == []


def test_seals_of_every_key_there_was_are_verified_by_the_newest(
    scene: Scene, trail: Trail
) -> None:
    rotate(scene)
    assert trail.faults(key=SealKey(NEW)) == []
    trail.write(2)
    trail.seal(key=SealKey(NEW))
    rotate(scene, NEW, NEWER)
    trail.write(2)
    trail.seal(key=SealKey(NEWER))
    assert trail.faults(key=SealKey(NEWER)) == []
    with scene.ledger.read() as session:
        first = session.scalars(select(AuditEvent.id).order_by(AuditEvent.id)).first()
    trail.tamper("UPDATE audit_events SET actor = 'x' WHERE id = :id", id=first)
    assert trail.faults(key=SealKey(NEWER)) == [("ROW_CHANGED", first)]


@pytest.fixture
def rotated(scene: Scene, trail: Trail) -> Trail:
    """Three seals of the old key, two of the new one."""
    rotate(scene)
    for _ in range(2):
        trail.write(2)
        trail.seal(key=SealKey(NEW))
    return trail


def codes(trail: Trail) -> list[str]:
    return [code for code, _event in trail.faults(key=SealKey(NEW))]


def test_without_the_retired_key_the_seals_of_its_time_count_as_forged(rotated: Trail) -> None:
    rotated.tamper("DELETE FROM retired_seal_keys")
    assert codes(rotated) == ["SEAL_FORGED"] * 3


def test_no_secret_that_somebody_stored_passes_for_a_retired_key(rotated: Trail) -> None:
    """He may have it encrypted by storing it, and copy it as he likes: it is another's key."""
    chosen = SealKey(OLD).handed_over(
        SealKey("his own"), order=0, last_no=9, last_hash="", last_event=9
    )
    for kept in (chosen, SecretBox(NEW).close('{"key": "00", "order": 0, "last_no": 9}'), "?"):
        rotated.tamper("UPDATE retired_seal_keys SET kept = :kept", kept=kept)
        assert codes(rotated) == ["SEAL_FORGED"] * 3


def test_who_has_come_by_the_old_key_can_forge_nothing_with_it(rotated: Trail) -> None:
    """Neither a seal behind the last of that key nor, as its hash is vouched for, one before."""
    as_was = "UPDATE installation SET key_fingerprint = :key"
    rotated.tamper(as_was, key=fingerprint(OLD))
    rotated.rebuild(key=SealKey(OLD), since=4)
    rotated.tamper(as_was, key=fingerprint(NEW))
    assert codes(rotated) == ["SEAL_FORGED"]
    # All of it anew, with an event changed, and as many seals as there were.
    rotated.tamper("UPDATE audit_events SET actor = 'x' WHERE document_id = 1")
    rotated.tamper("DELETE FROM audit_seals")
    rotated.tamper(as_was, key=fingerprint(OLD))
    rotated.seal(key=SealKey(OLD), limit=2)
    rotated.tamper(as_was, key=fingerprint(NEW))
    assert "ANCHOR_MISMATCH" in codes(rotated)
    # Nothing but less than the last seal of the old key.
    rotated.tamper("DELETE FROM audit_seals WHERE no > 2")
    assert "TAIL_CUT" in codes(rotated)


def test_a_restore_explains_with_a_retired_key_only_what_was_before(rotated: Trail) -> None:
    with rotated.ledger.read() as session:
        detail = restores.signed_detail(session, SealKey(OLD), backup="b", as_of=rotated.now)
        ring = retired_seal_keys.key_ring(session, SealKey(NEW))
        (retired,) = ring.retired
    mac = str(detail["mac"])
    digest = restores._digest({name: value for name, value in detail.items() if name != "mac"})
    assert ring.signed_event(retired.last_event, digest, mac)
    assert not ring.signed_event(retired.last_event + 1, digest, mac)


def test_every_column_that_holds_secrets_is_found_by_its_name() -> None:
    found = {f"{column.table.name}.{column.name}" for column in key_rotation.sealed_columns()}
    assert found >= {
        "data_sources.secret_box",
        "data_sources.proxy_box",
        "data_sources.settings_box",
        "notice_channels.config_box",
    }


def test_the_ledger_is_locked_against_late_writers_while_the_key_is_replaced(
    scene: Scene, trail: Trail
) -> None:
    """Who asked before the commit waits for it, and is refused; on SQLite writers wait anyway."""
    with scene.ledger.write() as session:
        same_keys.require_current(session, fingerprint(OLD))
        assert session.scalar(text("SELECT count(*) FROM installation")) == 1
    rotate(scene)
    with (
        pytest.raises(SyncError, match="SECRET_KEY_CHANGED"),
        scene.ledger.write() as session,
    ):
        same_keys.require_current(session, fingerprint(OLD))
    assert trail.unsealed() == 1
