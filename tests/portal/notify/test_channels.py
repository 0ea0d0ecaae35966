"""What each kind of channel sends, and what it makes of the answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_string
from email.policy import default
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from portal.errors import SyncError
from portal.notify import channels
from portal.notify.channels import open_channel
from portal.notify.kinds import ChannelKind
from portal.notify.message import Message
from tests.portal.notify.receivers import HttpReceiver, MailReceiver, serving

NOW = 1_774_000_000.5
MESSAGE = Message(
    notice_id=7,
    event="batch-short",
    title="迁移批次 MB20261122-0001 已结束",
    at=datetime(2026, 11, 22, 4, tzinfo=UTC),
    facts=(("数据源", "深圳[总部](http://evil.example) @all"), ("失败", "6")),
    action="重新同步失败任务",
    url="http://portal.example/batches/MB20261122-0001",
    data={"facts": {"failed": 6}},
)


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    with serving(receiver):
        yield receiver


@pytest.fixture
def postbox() -> Iterator[MailReceiver]:
    postbox = MailReceiver()
    with serving(postbox):
        yield postbox


def mail(postbox: MailReceiver, **changes: Any) -> dict[str, Any]:
    values = {
        "host": "127.0.0.1",
        "port": postbox.port,
        "security": "none",
        "sender": "portal@example.com",
        "recipients": "lee@example.com, wang@example.com",
    }
    return {**values, **changes}


def test_a_webhook_is_signed_over_time_and_body(receiver: HttpReceiver) -> None:
    config = {"url": receiver.url, "secret": "s3cret"}
    open_channel(ChannelKind.WEBHOOK, config).deliver(MESSAGE, now=NOW)
    ((_, headers, body),) = receiver.got
    stamp = headers["X-Imgmig-Timestamp"]
    assert stamp == str(int(NOW))
    signed = hmac.new(b"s3cret", f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Imgmig-Signature"] == f"sha256={signed}"
    told = json.loads(body)
    assert (told["id"], told["event"], told["facts"]) == (7, "batch-short", {"failed": 6})


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_drips_is_given_up(
    receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(channels, "_SECONDS", 0.1)
    receiver.drips = part
    with pytest.raises(SyncError) as error:
        open_channel(ChannelKind.WEBHOOK, {"url": receiver.url, "secret": ""}).deliver(
            MESSAGE, now=NOW
        )
    receiver.closing.set()
    assert error.value.code == "NOTICE_UNREACHABLE"


@pytest.mark.parametrize("status", [301, 307, 400, 404, 500])
def test_a_webhook_that_is_refused_or_sent_elsewhere_says_so(
    receiver: HttpReceiver, status: int
) -> None:
    receiver.answer = (status, b"")
    with pytest.raises(SyncError) as refusal:
        open_channel(ChannelKind.WEBHOOK, {"url": receiver.url}).deliver(MESSAGE, now=NOW)
    assert refusal.value.code == "NOTICE_REFUSED"
    assert refusal.value.params == {"detail": f"HTTP {status}"}
    assert len(receiver.got) == 1


def test_a_robot_of_dingtalk_is_signed_as_it_asks(receiver: HttpReceiver) -> None:
    config = {"url": receiver.url, "secret": "SEC123"}
    open_channel(ChannelKind.DINGTALK, config).deliver(MESSAGE, now=NOW)
    ((path, _, body),) = receiver.got
    query = parse_qs(urlsplit(path).query)
    stamp = query["timestamp"][0]
    assert stamp == str(int(NOW * 1000))
    expected = hmac.new(b"SEC123", f"{stamp}\nSEC123".encode(), hashlib.sha256).digest()
    assert query["sign"] == [base64.b64encode(expected).decode()]
    assert query["access_token"] == ["key-of-robot"]
    told = json.loads(body)
    assert told["msgtype"] == "markdown"
    assert told["markdown"]["title"] == MESSAGE.title


@pytest.mark.parametrize("kind", [ChannelKind.DINGTALK, ChannelKind.WECOM])
def test_names_from_elsewhere_are_no_links_and_call_nobody(
    receiver: HttpReceiver, kind: ChannelKind
) -> None:
    open_channel(kind, {"url": receiver.url}).deliver(MESSAGE, now=NOW)
    markdown = json.loads(receiver.got[0][2])["markdown"]
    text = markdown.get("text") or markdown["content"]
    assert "](http://evil" not in text
    assert "@all" not in text
    assert f"]({MESSAGE.url})" in text


@pytest.mark.parametrize("kind", [ChannelKind.DINGTALK, ChannelKind.WECOM])
@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b'{"errcode":310000,"errmsg":"keywords not in content"}', "310000 keywords"),
        (b"<html>", "<html>"),
        (b"[]", "[]"),
    ],
)
def test_a_robot_says_no_with_status_200(
    receiver: HttpReceiver, kind: ChannelKind, answer: bytes, detail: str
) -> None:
    receiver.answer = (200, answer)
    with pytest.raises(SyncError) as refusal:
        open_channel(kind, {"url": receiver.url}).deliver(MESSAGE, now=NOW)
    assert refusal.value.code == "NOTICE_REFUSED"
    assert refusal.value.params["detail"].startswith(detail)


def test_a_long_message_is_cut_to_what_a_robot_takes(receiver: HttpReceiver) -> None:
    long = Message(8, "hold", "长", MESSAGE.at, facts=(("原因", "影像" * 9000),))
    open_channel(ChannelKind.WECOM, {"url": receiver.url}).deliver(long, now=NOW)
    content = json.loads(receiver.got[0][2])["markdown"]["content"]
    assert len(content.encode()) <= 4096


def test_nobody_there_is_told_without_the_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}/robot?key=SECRET"
    channel = open_channel(ChannelKind.WECOM, {"url": url})
    with pytest.raises(SyncError) as failure:
        channel.deliver(MESSAGE, now=NOW)
    assert failure.value.code == "NOTICE_UNREACHABLE"
    assert "SECRET" not in f"{failure.value} {failure.value.params} {channel!r} {channel.shown}"


def test_mail_reaches_every_recipient(postbox: MailReceiver) -> None:
    open_channel(ChannelKind.MAIL, mail(postbox)).deliver(MESSAGE, now=NOW)
    (text,) = postbox.got
    got = message_from_string(text, policy=default)
    assert got["Subject"] == MESSAGE.title
    assert got["To"] == "lee@example.com, wang@example.com"
    body = got.get_body()
    assert body is not None
    assert "处理" not in body.get_content()
    assert MESSAGE.url in body.get_content()


def test_mail_of_which_one_recipient_is_refused_is_refused(postbox: MailReceiver) -> None:
    postbox.refused = {"wang@"}
    with pytest.raises(SyncError) as refusal:
        open_channel(ChannelKind.MAIL, mail(postbox)).deliver(MESSAGE, now=NOW)
    assert refusal.value.code == "NOTICE_REFUSED"
    assert "wang@example.com" in refusal.value.params["detail"]


def test_a_mail_server_without_tls_is_not_talked_to_in_the_clear(postbox: MailReceiver) -> None:
    channel = open_channel(ChannelKind.MAIL, mail(postbox, security="starttls"))
    with pytest.raises(SyncError):
        channel.deliver(MESSAGE, now=NOW)
    assert postbox.got == []


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        (ChannelKind.WEBHOOK, {"url": ""}),
        (ChannelKind.WEBHOOK, {"url": "file:///etc/passwd"}),
        (ChannelKind.WECOM, {"url": "http://host/\r\nX: y"}),
        (ChannelKind.MAIL, {"host": "", "port": 25}),
        (ChannelKind.MAIL, {"host": "h", "port": 70000}),
        (ChannelKind.MAIL, {"host": "h", "port": 25, "sender": "a@b", "recipients": "x"}),
        (
            ChannelKind.MAIL,
            {"host": "h", "port": 25, "sender": "a@b\nBcc: c@d", "recipients": "a@b"},
        ),
        (
            ChannelKind.MAIL,
            {"host": "h", "port": 25, "sender": "a@b", "recipients": "a@b", "security": "ssl3"},
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: ChannelKind, config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        open_channel(kind, config)
