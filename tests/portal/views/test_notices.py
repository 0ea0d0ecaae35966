"""通知: channels by form, what was told, and a delivery that really happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from portal.chores.clerk import Clerk
from portal.notify.kinds import ChannelKind
from portal.outbound.rule import rule
from portal.secret_box import SecretBox
from portal.services import notice_channels, notices
from tests.portal.notify.receivers import HttpReceiver, serving
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    with serving(receiver):
        yield receiver


def add(admin: Visitor, url: str, **changes: str | list[str]) -> None:
    form = admin.get("/notices/new").form("/new")
    admin.submit(form, {"name": "财务群", "kind": "wecom", "url": url, **changes})


def be_the_clerk(scene: PageScene) -> None:
    clerk = Clerk(scene.portal)
    while clerk.do_one([notices.CHORE]):
        pass


def test_an_admin_adds_a_channel_and_tests_it(
    scene: PageScene, admin: Visitor, receiver: HttpReceiver
) -> None:
    add(admin, receiver.url)
    page = admin.get("/notices/")
    assert "key-of-robot" not in page.text
    admin.submit(page.form("/test"))
    be_the_clerk(scene)
    assert "测试通知" in json.loads(receiver.got[0][2])["markdown"]["content"]
    row = admin.get("/notices/").rows()[-1]
    assert row[1:3] == ["财务群", "测试"]
    assert row[4] == "已发送"


def test_a_refused_notice_says_why_and_is_sent_again(
    scene: PageScene, admin: Visitor, receiver: HttpReceiver
) -> None:
    add(admin, receiver.url)
    receiver.answer = (200, b'{"errcode":93000,"errmsg":"invalid webhook url"}')
    admin.submit(admin.get("/notices/").form("/test"))
    be_the_clerk(scene)
    row = admin.get("/notices/").rows()[-1]
    assert row[4] == "待发送"
    assert "93000 invalid webhook url" in row[6]
    assert "重试" in row[6]


def test_bad_input_is_said_and_nothing_typed_is_lost(admin: Visitor) -> None:
    form = admin.get("/notices/new").form("/new")
    page = admin.submit(form, {"name": "财务群", "url": "ftp://x"}, status=422)
    assert "http://" in page.messages[0]
    assert page.value("name") == "财务群"
    page = admin.submit(page.form("/new"), {"name": ""}, status=422)
    assert "请输入名称" in page.error_at("name")


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "webhook", "url": "http://169.254.169.254/latest/meta-data?key=of-it"},
        {"kind": "wecom", "url": "https://user:pass@0xa9fea9fe/cgi-bin?key=of-it"},
        {"kind": "dingtalk", "url": "http://[::ffff:100.100.100.200]:80/robot?token=of-it"},
        {"kind": "mail", "host": "0.0.0.0", "sender": "a@b.c", "recipients": "d@e.f"},
        {"kind": "mail", "host": "fe80::1", "sender": "a@b.c", "recipients": "d@e.f"},
    ],
    ids=["metadata", "in hexadecimal", "inside of IPv6", "this very host", "link-local"],
)
def test_an_address_that_is_never_connected_to_is_refused_when_it_is_saved(
    scene: PageScene, admin: Visitor, receiver: HttpReceiver, fields: dict[str, str]
) -> None:
    form = admin.get("/notices/new").form("/new")
    page = admin.submit(form, {"name": "财务群", **fields}, status=422)
    assert "不允许连接的地址" in page.messages[0]
    assert "PORTAL_OUTBOUND_NETWORKS" in page.messages[0]
    assert "of-it" not in page.text
    add(admin, receiver.url)  # and neither when one is changed
    form = admin.get("/notices/1").form("/notices/1")
    assert admin.submit(form, {"name": "别的", **fields}, status=422).messages == page.messages
    with scene.portal.ledger.read() as session:
        assert [channel.name for channel in notice_channels.all_channels(session)] == ["财务群"]
        assert notice_channels.find(session, 1).shown.startswith("http://127.0.0.1")


def test_a_network_that_is_excepted_may_be_saved(scene: PageScene, admin: Visitor) -> None:
    rule.allow([ip_network("169.254.0.0/16")])
    try:
        add(admin, "http://169.254.1.1/?key=x")
    finally:
        rule.allow([])
    assert "财务群" in admin.get("/notices/").text


def test_its_secrets_are_not_shown_again_and_stay_when_left_empty(
    scene: PageScene, admin: Visitor, receiver: HttpReceiver
) -> None:
    add(admin, receiver.url)
    (link,) = {link for link in admin.get("/notices/").links if link.startswith("/notices/1")}
    page = admin.get(link)
    assert page.value("url") == ""
    admin.submit(page.form(link), {"name": "新名字"})
    page = admin.get("/notices/")
    admin.submit(page.form("/test"))
    be_the_clerk(scene)
    assert len(receiver.got) == 1
    assert page.rows()[0][0] == "新名字"
    admin.submit(admin.get(link).form("/remove"))
    assert "还没有通知渠道" in admin.get("/notices/").text


def test_settings_stored_with_another_key_are_asked_for_again(
    scene: PageScene, admin: Visitor, receiver: HttpReceiver
) -> None:
    add(admin, receiver.url)
    with scene.portal.ledger.write() as session:
        channel = notice_channels.find(session, 1)
        channel.kind = ChannelKind.MAIL
        channel.config_box = SecretBox("another key").close("{}")
    assert "密钥已更换" in admin.get("/notices/1").messages[0]


def test_others_see_the_list_and_change_nothing(
    admin: Visitor, auditor: Visitor, receiver: HttpReceiver
) -> None:
    add(admin, receiver.url)
    page = auditor.get("/notices/")
    assert "财务群" in page.text
    assert page.actions <= {"language", "logout"}
    assert auditor.raw("/notices/new").status_code == 403
