"""What is told, to whom, and how often it is tried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.errors import NotAllowed, SyncError
from portal.models import Batch, Chore, Notice, Overlap
from portal.notify.kinds import NEWS, ChannelKind, NoticeEvent
from portal.secret_box import SecretBox
from portal.services import holds, notice_channels, notices
from portal.services.notice_channels import ChannelForm
from portal.services.notice_texts import message_of
from portal.statuses import NoticeStatus
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import START, Scene, failed, stored

BOX = SecretBox("a key for tests")
URL = "https://robot.example/send?key=SECRET"


def add_channel(
    scene: Scene, name: str = "群", *, events: tuple[NoticeEvent, ...] = NEWS, enabled: bool = True
) -> int:
    form = ChannelForm(
        name=name,
        kind=ChannelKind.WECOM,
        language="zh",
        events=events,
        portal_url="https://portal.example/",
        enabled=enabled,
        config={"url": URL},
    )
    with scene.ledger.write() as session:
        return notice_channels.save(session, form, box=BOX, by="lee", now=START).id


def told(scene: Scene) -> list[Notice]:
    with scene.ledger.read() as session:
        found = list(session.scalars(select(Notice).order_by(Notice.id)))
        for notice in found:
            assert notice.channel.name
        return found


def end_batch(scene: Scene, *, failures: int) -> int:
    documents = [make_document(number) for number in range(3)]
    batch_id = scene.listed_batch(documents, Overlap.MISSING)
    claims = scene.claim(batch_id)
    results = [failed(claim, "FILE_CORRUPT", detail="x") for claim in claims[:failures]]
    scene.settle(batch_id, *results, *map(stored, claims[failures:]))
    return batch_id


def test_a_whole_batch_is_told_as_such(scene: Scene) -> None:
    add_channel(scene)
    end_batch(scene, failures=0)
    (whole,) = told(scene)
    assert whole.event is NoticeEvent.BATCH_COMPLETE


def test_failures_are_told_with_their_first_causes(scene: Scene) -> None:
    add_channel(scene)
    batch_id = end_batch(scene, failures=2)
    (notice,) = told(scene)
    message = message_of(notice)
    number = scene.batch(batch_id).batch_no
    assert notice.event is NoticeEvent.BATCH_SHORT
    assert message.title == f"迁移批次 {number} 已结束：部分同步完成，失败 2 份"
    assert message.url == f"https://portal.example/batches/{number}"
    assert "FILE_CORRUPT × 2" in message.text()
    assert "总单据数：3" in message.text()


def test_only_those_who_want_such_news_are_told(scene: Scene) -> None:
    add_channel(scene, "要", events=(NoticeEvent.BATCH_SHORT,))
    add_channel(scene, "不要", events=(NoticeEvent.HOLD,))
    add_channel(scene, "停用", enabled=False)
    end_batch(scene, failures=1)
    assert [notice.channel.name for notice in told(scene)] == ["要"]


@pytest.mark.parametrize(
    ("cause", "event"),
    [
        (SyncError("SRC_SERVER_ERROR", status=503), NoticeEvent.HOLD),
        (SyncError("SRC_CREDENTIALS", detail="x"), NoticeEvent.ATTENTION),
    ],
)
def test_a_hold_is_told_once_and_its_end_too(
    scene: Scene, cause: SyncError, event: NoticeEvent
) -> None:
    add_channel(scene)
    batch_id = scene.add_batch()
    with scene.ledger.write() as session:
        source = session.get_one(Batch, batch_id).data_source
        for _ in range(2):
            hold = holds.open_hold(session, cause, source=source, by="w1", now=START)
        holds.lift(session, hold.id, by="w1", now=START + timedelta(minutes=5))
    assert [notice.event for notice in told(scene)] == [event, NoticeEvent.WENT_ON]
    message = message_of(told(scene)[0])
    assert message.action
    assert "数据源" in message.text()


def test_what_was_rolled_back_is_not_told(scene: Scene) -> None:
    add_channel(scene)
    with scene.ledger.write() as session:
        notices.tell(session, NoticeEvent.HOLD, {}, now=START)
        session.flush()
        session.rollback()
    assert told(scene) == []


def test_a_refused_one_is_tried_for_about_a_day(scene: Scene) -> None:
    add_channel(scene)
    end_batch(scene, failures=1)
    now, tries = START, 0
    error = SyncError("NOTICE_REFUSED", detail="HTTP 500")
    while (notice := told(scene)[0]).status is NoticeStatus.WAITING:
        now = max(now, notice.next_try_at)
        with scene.ledger.write() as session:
            assert notices.ask_delivery(session, now=now) == 1
            notices.refused(session, notices.find(session, notice.id), error, now=now)
        tries += 1
    assert tries == 10
    assert timedelta(hours=12) < now - START < timedelta(days=2)
    assert (notice.status, notice.error_code) == (NoticeStatus.FAILED, "NOTICE_REFUSED")
    with scene.ledger.write() as session:
        notices.send_again(session, notices.find(session, notice.id), by="lee", now=now)
        assert notices.ask_delivery(session, now=now) == 1
        notices.delivered(session, notices.find(session, notice.id), now=now)
    assert told(scene)[0].error_code is None


def test_each_is_asked_for_as_one_chore_however_often_one_looks(scene: Scene) -> None:
    add_channel(scene)
    end_batch(scene, failures=1)
    with scene.ledger.write() as session:
        for _ in range(3):
            notices.ask_delivery(session, now=START + timedelta(days=1))
        assert session.scalar(select(func.count()).select_from(Chore)) == 1


def test_secrets_are_kept_when_left_empty_and_never_stand_in_the_clear(scene: Scene) -> None:
    channel_id = add_channel(scene)
    with scene.ledger.write() as session:
        channel = notice_channels.find(session, channel_id)
        form = ChannelForm(
            "群二", ChannelKind.WECOM, "en", (NoticeEvent.HOLD,), "", config={"url": ""}
        )
        notice_channels.save(session, form, channel=channel, box=BOX, by="lee", now=START)
    with scene.ledger.read() as session:
        channel = notice_channels.find(session, channel_id)
        assert channel.name == "群二"
        assert notice_channels.config_of(channel, BOX)["url"] == URL
        assert "SECRET" not in channel.config_box + channel.shown


def test_two_channels_of_one_name_are_refused(scene: Scene) -> None:
    add_channel(scene)
    with pytest.raises(NotAllowed, match="群"):
        add_channel(scene)


def save_mail(scene: Scene, channel_id: int | None, box: SecretBox = BOX, **changes: Any) -> int:
    config = {
        "host": "mail.example",
        "port": 465,
        "security": "tls",
        "sender": "portal@example.com",
        "recipients": "lee@example.com",
        "user": "portal",
        "password": "",
        **changes,
    }
    form = ChannelForm("邮件", ChannelKind.MAIL, "zh", NEWS, "", config=config)
    with scene.ledger.write() as session:
        channel = notice_channels.find(session, channel_id) if channel_id else None
        return notice_channels.save(session, form, channel=channel, box=box, by="lee", now=START).id


def config(scene: Scene, channel_id: int, box: SecretBox = BOX) -> dict[str, Any]:
    with scene.ledger.read() as session:
        return notice_channels.config_of(notice_channels.find(session, channel_id), box)


@pytest.mark.parametrize(
    "change", [{"host": "elsewhere.example"}, {"port": 25}, {"security": "none"}]
)
def test_a_password_is_never_sent_to_another_server_than_it_was_given_for(
    scene: Scene, change: dict[str, Any]
) -> None:
    channel_id = save_mail(scene, None, password="s3cret")
    save_mail(scene, channel_id, recipients="wang@example.com")
    assert config(scene, channel_id)["password"] == "s3cret"
    with pytest.raises(NotAllowed, match="密码"):
        save_mail(scene, channel_id, **change)
    save_mail(scene, channel_id, password="another", **change)
    assert config(scene, channel_id)["password"] == "another"


def test_a_channel_stored_with_another_key_can_be_set_anew(scene: Scene) -> None:
    channel_id = save_mail(scene, None, password="s3cret")
    fresh = SecretBox("another key")
    save_mail(scene, channel_id, fresh, password="typed again")
    assert config(scene, channel_id, fresh)["password"] == "typed again"
