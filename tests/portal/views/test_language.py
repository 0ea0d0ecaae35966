"""Chinese first, English by switch, and no text without its English."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from flask import Flask

import portal
from portal.access import ACCESS
from portal.models import utc_now
from portal.services import exports, fetches, zookeeper_import
from portal.services.export_kinds import KINDS
from portal.services.selection import Selection
from portal.services.source_check import Finding
from portal.statuses import ChoreStatus
from portal.sync.archive.local import LocalArchive
from portal.sync.sources.old_settings import OldSettings
from portal.sync.sources.zookeeper_place import ZooKeeperPlace
from tests.portal.services.reconcile_scene import Proving
from tests.portal.services.sample_scene import Sampling
from tests.portal.views.page_rules import CHINESE
from tests.portal.views.page_scene import Content, PageScene
from tests.portal.views.visitor import Visitor

ROOT = Path(portal.__file__).parent
TRANSLATIONS = ROOT / "translations"
ENGLISH = TRANSLATIONS / "en" / "LC_MESSAGES" / "messages.po"
METHODS = [
    ("**.py", "python"),
    ("**/templates/**.html", "jinja2"),
    ("**/templates/**.svg", "jinja2"),
]
KEYWORDS = {"_": None, "_l": None, "gettext": None, "ngettext": (1, 2), "lazy_gettext": None}

_PARTS = ("live", "progress", "rows", "tail", "outcome", "documents_total")


def texts_in_use() -> set[str]:
    found = extract_from_dir(ROOT, METHODS, keywords=KEYWORDS)
    return {ids[0] if isinstance(ids, tuple) else ids for _, _, ids, _, _ in found}


def english() -> Catalog:
    with ENGLISH.open("rb") as file:
        return read_po(file)


def texts_of(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """The translations by their Chinese, by the singular when there is a plural."""
    return {_forms(message.id)[0]: _forms(message.string) for message in catalog if message.id}


def _forms(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def test_every_text_has_its_english_and_no_other_stands_there() -> None:
    translated = {key: texts for key, texts in texts_of(english()).items() if all(texts)}
    assert not any(message.fuzzy for message in english())
    used = texts_in_use()
    assert len(used) > 100
    assert used - set(translated) == set()
    assert set(translated) - used == set()
    assert [
        text for strings in translated.values() for text in strings if CHINESE.search(text)
    ] == []


def test_translations_keep_the_gaps_to_fill() -> None:
    catalog = english()
    wrong = [message.id for message in catalog if message.id and message.check(catalog)]
    assert wrong == []


def test_what_is_compiled_is_what_is_written() -> None:
    with ENGLISH.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    assert texts_of(compiled) == texts_of(english())


def asked_zookeeper(scene: PageScene) -> list[str]:
    """A reading that has found the settings, and one that waits."""
    place, portal, now = ZooKeeperPlace.parse("zk1"), scene.portal, utc_now()
    found = OldSettings("1", "https://x.example", "ent-9", "s3cret", "/p", 3, servers="zk1:2181")
    with portal.ledger.write() as session:
        done = zookeeper_import.ask(session, place, box=portal.box, by="admin", now=now)
        done.status = ChoreStatus.DONE
        done.result = dict(zookeeper_import.kept(found, portal.box))
        session.flush()
        waiting = zookeeper_import.ask(session, place, box=portal.box, by="admin", now=now)
        return [f"/{done.id}", f"/{waiting.id}"]


@pytest.fixture
def everything(app: Flask, scene: PageScene) -> list[str]:
    """The address of every page, with something on it."""
    document = scene.archived(Content("file.xml", b"<x/>", "xml"))
    done = scene.job_run(app, 1, params="nonsense")
    scene.perform(app, done)
    queued = scene.job_run(app, 2)
    states = ("waiting", "running", "paused", "cancelled")
    batches = [getattr(scene, state)() for state in states]
    source = scene.ledger_scene.source_id
    user = scene.user_id("auditor")
    unmet = Finding("reach", "failed", "连不上", "no way", "修好", "mend it", "SRC_TLS", 0.5)
    preflight = scene.preflight(unmet)
    batches.append(scene.ended("FILE_CORRUPT", "META_MISSING_FIELD", "SRC_HTML"))
    with scene.portal.ledger.write() as session:
        wish = Selection(batch_nos=(batches[-1],))
        chore = fetches.ask(session, wish, permanent_too=False, by="operator", now=utc_now())
        export = exports.ask(
            session, "failures", format_="csv", language="zh", filters={}, by="admin", now=utc_now()
        )
        mine = (f"/packages/{chore.id}", f"/exports/{export.id}")
    kinds = [f"/exports/new?kind={name}" for name in KINDS]
    reconciled = (
        Proving(scene.ledger_scene, LocalArchive(scene.portal.settings.home / "archive"))
        .reconcile()
        .id
    )
    sample = Sampling(scene.ledger_scene, scene.home).drawn(size="1")
    target, pushed = scene.pushed()
    tabs = ("", "/failures", "/scan", "/documents", "/log", "/runs", "/documents?status=skipped")
    return [
        *("/", "/batches/", "/batches/?after=1", "/batches/new"),
        *("/packages/", "/exports/", *kinds, *mine),
        *("/jobs/", "/jobs/?status=killed", "/status/"),
        *("/notices/", "/notices/new", f"/notices/{scene.notice_channel()}"),
        *("/batches/?org=none", "/months/", "/months/?first=2999-01", "/months/?after=1~1999-01"),
        *("/audit/", "/audit/?documents=1", "/audit/?before=1"),
        *("/sources/", "/sources/new", "/sources/import", f"/sources/{source}"),
        *(f"/sources/import-zookeeper{answer}" for answer in ("", *asked_zookeeper(scene))),
        *(f"/sources/{source}/edit", "/users/", "/users/new", f"/users/{user}", "/account/"),
        *("/preflight/", f"/preflight/runs/{preflight}"),
        *("/archive/", "/archive/?sort=amount", "/archive/totals", "/archive/source"),
        *("/targets/", "/targets/new", f"/targets/{target}", f"/targets/{target}/edit"),
        *(f"/batches/{pushed}/{part}" for part in ("push", "documents")),
        *("/find", "/find?q=FYBX", "/find?q=nothing"),
        f"/files/{scene.file(document).id}/facts",
        *(f"/jobs/{run}" for run in (done, queued)),
        *(f"/reconcile/{place}" for place in ("", reconciled, f"{reconciled}/cells")),
        f"/reconcile/{reconciled}/documents",
        f"/reconcile/{reconciled}/documents?part=archived&month=2024-01",
        *(f"/samples/{place}" for place in ("", sample, f"{sample}/documents/1")),
        *(f"/batches/{number}{tab}" for number in batches for tab in tabs),
        *(f"/documents/{number}" for number in (document.id, document.id + 1, document.id + 2)),
    ]


@pytest.mark.parametrize("who", ["admin", "operator", "auditor"])
def test_every_page_in_both_languages_for_everybody(
    app: Flask, request: pytest.FixtureRequest, everything: list[str], who: str
) -> None:
    visitor: Visitor = request.getfixturevalue(who)
    adapter = app.url_map.bind("localhost")
    allowed = {
        path
        for path in everything
        if (roles := ACCESS[adapter.match(path.split("?")[0], "GET")[0]]) is None or who in roles
    }
    if who == "operator":
        allowed.discard("/exports/new?kind=audit")  # as the trail's own page
    for path in allowed:
        assert visitor.get(path).root.one("html").get("lang") == "zh-Hans"
    visitor.speak_english()
    for path in allowed:
        assert visitor.get(path).root.one("html").get("lang") == "en"


def test_every_page_is_looked_at(app: Flask, everything: list[str]) -> None:
    """The list above forgets none: of all that can be got, only parts and files are not there."""
    adapter = app.url_map.bind("localhost")
    looked_at = {adapter.match(path.split("?")[0], "GET")[0] for path in everything}
    gettable = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    parts = {name for name in ACCESS if name.rsplit(".", 1)[-1] in _PARTS}
    downloads = {
        *("documents.download", "documents.download_version"),
        *("exports.download", "exports.companion"),
    }
    health = {"health.healthz", "health.readyz", "health.metrics"}
    files = {"static", "documents.picture", *downloads, *health}
    files |= {"samples.manifest", "samples.source_picture"}
    parts |= {
        "sources.zookeeper_found",
        "batches.preview_live",
        "batches.push_live",
        "batches.catalogue_read",
        "samples.compared",
    }
    # The login is for those who are not logged in, see test_auth.
    assert gettable - looked_at == parts | files | {"auth.login"}


def test_the_switch_stays_on_the_page(scene: PageScene, operator: Visitor) -> None:
    path = f"/batches/{scene.ended('FILE_CORRUPT')}/documents?status=failed&month=2024-01"
    page = operator.submit(operator.get(path).form("/language"), {"locale": "en"})
    assert page.path == path
    assert page.root.one("html").get("lang") == "en"
    back = operator.submit(page.form("/language"), {"locale": "zh_Hans_CN"})
    assert (back.path, back.root.one("html").get("lang")) == (path, "zh-Hans")


def test_a_language_we_do_not_have_is_passed_over(operator: Visitor) -> None:
    for locale in ("xx", "", "../../etc/passwd"):
        page = operator.submit(operator.get("/").form("/language"), {"locale": locale})
        assert page.root.one("html").get("lang") == "zh-Hans"


def test_the_switch_on_a_refused_form_does_not_lead_to_an_error(operator: Visitor) -> None:
    refused = operator.submit(operator.get("/batches/new").form("/batches/new"), status=422)
    assert operator.submit(refused.form("/language"), {"locale": "en"}).path == "/batches/new"
    nowhere = operator.submit(
        operator.get("/").form("/language"), {"csrf_token": "old"}, status=400
    )
    assert operator.submit(nowhere.form("/language")).path == "/"
