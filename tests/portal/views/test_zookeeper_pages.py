"""从 ZooKeeper 导入: the form, the reading by a worker host, what was found, the import."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.chores.clerk import Clerk
from portal.models import AuditEvent, Chore, DataSource, utc_now
from portal.runtime import Portal
from portal.services import chores, sources, zookeeper_import
from portal.sync.sources.old_settings import CLIENT_ID, CLIENT_SECRET
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor
from tests.portal.zookeeper_nodes import (
    NEEDS_ZOOKEEPER,
    SECRET,
    Nodes,
    nodes_of_my_own,
)

FORM = "/sources/import-zookeeper"
NOBODY = "127.0.0.1:1"


@pytest.fixture(params=[pytest.param("", marks=NEEDS_ZOOKEEPER)])
def nodes() -> Iterator[Nodes]:
    with nodes_of_my_own() as nodes:
        nodes.put_settings()
        yield nodes


@pytest.fixture
def clerk(scene: PageScene) -> Clerk:
    """A worker host that lives, and does what it is told to here."""
    clerk = Clerk(scene.portal)
    with scene.portal.ledger.write() as session:
        chores.beat(session, clerk.name, host=clerk.host, now=utc_now())
    return clerk


def ask(visitor: Visitor, address: str, *, status: int = 303) -> Page:
    return sent(visitor, {"address": address}, status=status)


def sent(visitor: Visitor, fields: dict[str, str], *, status: int) -> Page:
    return visitor.submit(visitor.get(FORM).form(FORM), fields, status=status)


def read(visitor: Visitor, clerk: Clerk, address: str, **fields: str) -> Page:
    page = sent(visitor, {"address": address, **fields}, status=303)
    assert clerk.do_one([zookeeper_import.CHORE])
    return visitor.get(page.path)


def all_sources(portal: Portal) -> list[DataSource]:
    with portal.ledger.read() as session:
        return list(sources.all_sources(session))


def test_it_is_read_seen_and_imported(
    scene: PageScene, admin: Visitor, clerk: Clerk, nodes: Nodes
) -> None:
    waiting = ask(admin, nodes.address)
    (region,) = waiting.pollers
    assert "every" in region.get("hx-trigger")
    assert clerk.do_one([zookeeper_import.CHORE])
    part = admin.get(region.get("hx-get"), htmx=True, status=286)
    found = admin.get(part.pollers[0].get("hx-get"), htmx=True)
    for page in (found, admin.get(waiting.path)):
        assert "https://api.piaozone.com/" in page.text
        assert f"({len(SECRET)})" in page.text
        assert "clientSecret 在 ZooKeeper 中是明文，任何人都能读到" in page.text
    before = len(all_sources(scene.portal))
    done = admin.submit(found.form("/confirm"), {"name": "旧系统"})
    assert done.messages == ["已导入，请测试连接"]
    assert len(all_sources(scene.portal)) == before + 1
    with scene.portal.ledger.read() as session:
        form = sources.form_of(sources.find(session, "旧系统"), scene.portal.box)
    assert form.client_secret == SECRET


def test_again_it_is_found_by_another_name_and_updated_not_doubled(
    scene: PageScene, admin: Visitor, clerk: Clerk, nodes: Nodes
) -> None:
    admin.submit(read(admin, clerk, nodes.address).form("/confirm"), {"name": "旧系统"})
    many = len(all_sources(scene.portal))
    again = read(admin, clerk, nodes.address)
    assert again.value("name") == "旧系统"
    assert "完全相同" in again.text
    doubled = admin.submit(again.form("/confirm"), {"name": "另一个"}, status=422)
    assert "旧系统" in doubled.error_at("name")
    nodes.put_settings({CLIENT_SECRET: "another-planted-s3cret"})
    changed = read(admin, clerk, nodes.address)
    assert f"原来：•••••• ({len(SECRET)})" in changed.text
    admin.submit(changed.form("/confirm"))
    assert len(all_sources(scene.portal)) == many


def test_what_is_missing_or_no_text_is_told_and_cannot_be_imported(
    admin: Visitor, clerk: Clerk, nodes: Nodes
) -> None:
    nodes.put(f"part/{CLIENT_ID}", b"ent-1")
    nodes.put(f"part/{CLIENT_SECRET}", b"\x00\x01")
    page = read(admin, clerk, nodes.address, path="part")
    assert "内容不是可读的文字" in page.text
    assert "没有找到" in page.text
    refused = admin.submit(page.form("/confirm"), status=422)
    assert "没有找到" in refused.error_at("name")


def test_a_path_under_access_control_is_read_with_its_login(
    scene: PageScene, admin: Visitor, clerk: Clerk, nodes: Nodes
) -> None:
    nodes.put(f"guarded/{CLIENT_ID}", b"ent-1", digest="reader:pass")
    assert "拒绝读取" in read(admin, clerk, nodes.address, path="guarded").text
    page = read(
        admin,
        clerk,
        nodes.address,
        path="guarded",
        user="reader",
        password="pass",
    )
    assert "ent-1" in page.text
    with scene.portal.ledger.read() as session:
        kept = str([chore.params for chore in session.scalars(select(Chore))])
    assert "reader" not in kept
    assert "login" in kept


def test_a_failure_says_what_to_do(admin: Visitor, clerk: Clerk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    page = read(admin, clerk, f"127.0.0.1:{port}")
    assert f"连不上 ZooKeeper：127.0.0.1:{port}" in page.text
    assert "处理措施" in page.text
    assert page.pollers == []
    assert FORM in page.links


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"address": ""}, "address"),
        ({"address": "http://zk/zkui/"}, "address"),
        ({"path": "a/../b"}, "path"),
        ({"user": "reader"}, "user"),
        ({"password": "pass"}, "user"),
        ({"user": "a:b", "password": "pass"}, "user"),
    ],
)
def test_what_makes_no_sense_is_said_at_its_field(
    admin: Visitor, clerk: Clerk, fields: dict[str, str], at: str
) -> None:
    page = sent(admin, {"address": NOBODY, **fields}, status=422)
    assert page.error_at(at)
    assert page.value("password") == ""


def test_without_a_worker_nothing_is_asked(scene: PageScene, admin: Visitor) -> None:
    assert "imgmig worker" in ask(admin, NOBODY, status=422).error_at("address")
    with scene.portal.ledger.read() as session:
        assert not session.scalars(select(Chore)).all()


def test_after_an_hour_nothing_of_it_is_kept(
    scene: PageScene, admin: Visitor, clerk: Clerk, nodes: Nodes
) -> None:
    page = read(admin, clerk, nodes.address)
    with scene.portal.ledger.write() as session:
        zookeeper_import.forget_old(session, now=utc_now() + timedelta(minutes=59))
    admin.get(page.path)
    with scene.portal.ledger.write() as session:
        zookeeper_import.forget_old(session, now=utc_now() + timedelta(minutes=61))
    admin.get(page.path, status=404)


def test_no_secret_is_in_the_ledger_the_trail_or_a_page(
    scene: PageScene,
    admin: Visitor,
    clerk: Clerk,
    nodes: Nodes,
    visit: Callable[[str], Visitor],
) -> None:
    page = read(admin, clerk, nodes.address)
    admin.submit(page.form("/confirm"), {"name": "旧系统"})
    with scene.portal.ledger.read() as session:
        events = session.scalars(select(AuditEvent)).all()
        told = str([(event.action, event.detail, event.reason) for event in events])
        kept = str([(chore.params, chore.result) for chore in session.scalars(select(Chore))])
    assert "source.read-zookeeper" in told
    assert "source.import" in told
    chore = f"/chores/{page.path.rsplit('/', 1)[-1]}"
    pages = [visit("auditor").get(path).text for path in ("/audit/", "/sources/")]
    pages += [visit("auditor").client.get(chore).text, admin.raw(page.path).text]
    for text in (told, kept, *pages):
        assert SECRET not in text


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_only_an_admin_reads_and_imports(
    role: str, admin: Visitor, clerk: Clerk, visit: Callable[[str], Visitor]
) -> None:
    path = ask(admin, NOBODY).path
    for page in (FORM, path, f"{path}/found"):
        visit(role).get(page, status=403)
    visit(role).post(FORM, {"address": NOBODY}, status=403)
    assert FORM not in visit(role).get("/sources/").links
