from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from portal.errors import NotAllowed
from portal.models import AuditEvent, utc_now
from portal.secret_box import SecretBox, SecretUnreadable
from portal.services import catalogue, reconciliations, sources
from portal.services.opening import settings_of
from portal.sync.sources.kind import download_options
from tests.certificates import Authority
from tests.portal.ledger_scene import BY, Scene

BOX = SecretBox("k" * 32)
PROXY = "http://me:s3cret-of-the-proxy@proxy.corp:3128"
SECRETS = ("s3cret-of-the-proxy", "s3cret-of-the-client")


@pytest.fixture
def form(tmp_path: Path) -> sources.SourceForm:
    return sources.SourceForm(
        name="影像",
        base_url="https://imaging.example/影像//",
        client_id="ent-1",
        client_secret="s3cret-of-the-client",
        download_hosts=("files.example",),
        profile={"page_size": 20},
        rules={"min_short_side": 200},
        concurrency_cap=7,
        proxy=PROXY,
        ca_pem=Authority(tmp_path).pem,
    )


def save(scene: Scene, form: sources.SourceForm) -> None:
    with scene.ledger.write() as session:
        sources.save(session, form, box=BOX, by=BY, now=utc_now())


def stored(scene: Scene, name: str = "影像", box: SecretBox = BOX, **named: Any) -> Any:
    with scene.ledger.read() as session:
        return sources.form_of(sources.find(session, name), box, named)


def test_everything_is_kept_and_opened_again(scene: Scene, form: sources.SourceForm) -> None:
    save(scene, form)
    assert stored(scene) == form
    with scene.ledger.read() as session:
        connection = sources.connection_of(sources.find(session, "影像"), BOX)
    assert connection is not None
    assert connection.base_url == "https://imaging.example/%E5%BD%B1%E5%83%8F"
    assert connection.proxy is not None
    assert connection.proxy.password == "s3cret-of-the-proxy"
    assert connection.ca_pem == form.ca_pem


def test_secrets_are_stored_closed_and_never_shown(scene: Scene, form: sources.SourceForm) -> None:
    save(scene, form)
    with scene.ledger.read() as session:
        row = session.execute(text("SELECT * FROM data_sources WHERE name = '影像'")).one()
        detail = session.scalars(select(AuditEvent.detail).order_by(AuditEvent.id.desc())).first()
        source = sources.find(session, "影像")
        connection = sources.connection_of(source, BOX)
    shown = f"{row} {detail} {source!r} {form!r} {connection!r}"
    assert not [secret for secret in SECRETS if secret in shown]
    assert detail is not None
    assert {name: detail[name] for name in ("base_url", "proxy", "private_ca")} == {
        "base_url": [None, "https://imaging.example/影像//"],
        "proxy": [None, "http://proxy.corp:3128"],
        "private_ca": [None, True],
    }


def test_what_is_named_changes_and_the_rest_stays(scene: Scene, form: sources.SourceForm) -> None:
    save(scene, form)
    save(scene, stored(scene, concurrency_cap=9, proxy=""))
    changed = stored(scene)
    assert (changed.concurrency_cap, changed.proxy) == (9, "")
    assert stored(scene, concurrency_cap=7, proxy=PROXY) == form
    with scene.ledger.read() as session:
        assert sources.find(session, "影像").proxy_address is None


@pytest.mark.parametrize(
    ("base_url", "is_same"),
    [
        ("https://imaging.example:8443/v2", True),
        ("https://IMAGING.example./", True),
        ("https://imaging.example.evil.example/", False),
        ("https://imaging-example/", False),
        ("http://127.0.0.1:9000", False),
    ],
)
def test_another_host_is_not_given_the_stored_secret(
    scene: Scene, form: sources.SourceForm, base_url: str, is_same: bool
) -> None:
    save(scene, form)
    moved = stored(scene, base_url=base_url)
    with scene.ledger.write() as session:
        if is_same:
            sources.save(session, moved, box=BOX, by=BY, now=utc_now(), refilled=())
        else:
            with pytest.raises(sources.SettingRefused, match="clientSecret") as refusal:
                sources.save(session, moved, box=BOX, by=BY, now=utc_now(), refilled=("proxy",))
            assert refusal.value.setting == "client_secret"
    assert stored(scene).base_url == (base_url if is_same else form.base_url)
    with scene.ledger.write() as session:
        given = ("client_secret",)
        sources.save(session, moved, box=BOX, by=BY, now=utc_now(), refilled=given)
    assert stored(scene).base_url == base_url


def test_secrets_of_another_key_can_be_replaced(scene: Scene, form: sources.SourceForm) -> None:
    save(scene, form)
    other = SecretBox("o" * 32)
    with pytest.raises(SecretUnreadable):
        stored(scene, box=other, client_secret="new")
    assert stored(scene, box=other, client_secret="new", proxy="").client_secret == "new"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"proxy": "proxy.corp:3128"}, "proxy: must be http"),
        ({"proxy": "http://me:s3cret-of-the-proxy@proxy.corp"}, "proxy: must be http"),
        ({"proxy": "http://me:s3cret-of-the-proxy@169.254.1.1:80"}, "may not be connected to"),
        ({"base_url": "http://169.254.169.254/latest"}, "may not be connected to"),
        ({"base_url": "http://[::ffff:a9fe:a9fe]/"}, "may not be connected to"),
        ({"base_url": "http://2852039166/"}, "may not be connected to"),
        ({"base_url": "http://0x7f000001:9000/"}, "write the address as 127.0.0.1"),
        ({"download_hosts": ("files.example", "0.0.0.0:80")}, "may not be connected to"),
        ({"ca_pem": "hello"}, "private CA: no readable certificate"),
        ({"profile": {"paths": {"count": "/a\\b"}}}, "profile paths.count: "),
        ({"profile": {"count": {"document": "x"}}}, "profile count.document: unknown"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    scene: Scene, form: sources.SourceForm, changes: dict[str, Any], named: str
) -> None:
    save(scene, form)
    with pytest.raises(NotAllowed, match=named) as refused:
        save(scene, stored(scene, **changes))
    assert not [secret for secret in SECRETS if secret in str(refused.value)]
    assert stored(scene) == form


def test_an_expired_ca_is_refused_when_it_comes_not_when_something_else_changes(
    scene: Scene, form: sources.SourceForm, tmp_path: Path
) -> None:
    save(scene, form)
    expired = Authority(tmp_path, days=-1).pem
    with pytest.raises(NotAllowed, match="expired on"):
        save(scene, stored(scene, ca_pem=expired))
    with scene.ledger.write() as session:
        sources.find(session, "影像").ca_pem = expired
    save(scene, stored(scene, concurrency_cap=1))
    assert stored(scene).concurrency_cap == 1


def test_the_downloads_get_the_ca_as_a_file_that_comes_back(
    scene: Scene, form: sources.SourceForm, tmp_path: Path
) -> None:
    save(scene, form)
    with scene.ledger.read() as session:
        source = sources.find(session, "影像")
        connection = sources.connection_of(source, BOX)
        assert connection is not None
        options = download_options(connection, tmp_path)
        assert options.ca_file is not None
        file = Path(options.ca_file)
        assert file.is_relative_to(tmp_path)
        assert file.read_text() == form.ca_pem
        file.unlink()
        settings = settings_of(source, tmp_path)
        assert file.read_text() == form.ca_pem
        assert settings == settings_of(source, tmp_path)
        source.ca_pem = None
        assert settings != settings_of(source, tmp_path)


def test_one_that_was_only_looked_at_is_deleted_and_one_that_was_reconciled_is_not(
    scene: Scene,
) -> None:
    other = scene.add_source("别的系统")
    with scene.ledger.write() as session:
        for source_id in (scene.source_id, other):
            catalogue.keep(session, source_id, catalogue.Catalogue(), now=scene.now)
        words: dict[str, Any] = {"reread": False, "by": BY, "now": scene.now}
        reconciliations.ask(session, other, "2024-01", "2024-01", **words)
    with scene.ledger.write() as session:
        sources.remove(session, sources.get(session, scene.source_id), by=BY, now=scene.now)
    with scene.ledger.write() as session, pytest.raises(NotAllowed):
        sources.remove(session, sources.get(session, other), by=BY, now=scene.now)
