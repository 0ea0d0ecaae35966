"""Names that want to be more than names, in every field that a source or a user fills."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from PIL import Image
from sqlalchemy import update

from portal.models import (
    Batch,
    Chore,
    DataSource,
    Export,
    Hold,
    Login,
    Notice,
    NoticeChannel,
    Preflight,
    Reconciliation,
    Sample,
    SampleDocument,
    User,
)
from portal.services import audit
from portal.services.sealing import seal_step
from tests.portal.fake_source import make_document, make_file
from tests.portal.ledger_scene import failed, stored
from tests.portal.views.html_page import Node
from tests.portal.views.page_scene import Content, PageScene

#: Ends an attribute and an element, and begins others; a template's expression; htmx's attributes.
MARKUP = """'"><img src=x onerror=zz9()></script><b hx-get=//evil.example>{{7*7}}{% raw %}"""
#: The tail of what a field may hold, so that each of them is told apart.
SHORT = "\"'><i onclick=zz9()>{{7*7}}"
FORMULAS = ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "＝1+1", "＋1", "－1", "＠a")


def _png() -> bytes:
    out = BytesIO()
    Image.new("RGB", (60, 40), "navy").save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Planted:
    """What lies there: a batch, and an archived document of it."""

    batch_no: str
    document_id: int
    file_id: int


def plant(scene: PageScene, word: str = MARKUP, *, name: str = "") -> Planted:
    """A source, a batch with an archived and a failed document, all of whose texts are ``word``."""
    ledger_scene = scene.ledger_scene
    texts: dict[str, Any] = dict.fromkeys(
        ("bill_no", "bill_type_name", "org_name", "applicant"), word
    )
    codes: dict[str, Any] = dict.fromkeys(("bill_type_code", "org_code"), word[:60])
    document = make_document(
        0, image_no=f"A{word}"[:128], resource=word[:60], extra={word: [word]}, **texts, **codes
    )
    file = make_file(0, 1, file_id=word[:120], name=name or f"{word}.png", suffix="png")
    other = make_document(1, image_no=f"B{word}"[:128], **texts, **codes)
    batch_id = ledger_scene.listed_batch([replace(document, files=(file,)), other])
    good, bad = sorted(ledger_scene.claim(batch_id), key=lambda claim: claim.document_id)
    kept = scene._keep(f"{good.folder}/01.png", word[:120], Content("x", _png(), "png"))
    brought = replace(stored(good), files=(kept,))
    ledger_scene.settle(batch_id, brought, failed(bad, "FILE_CORRUPT", detail=word))
    with scene.portal.ledger.write() as session:
        session.execute(update(DataSource).values(name=word[:64], client_id=word))
        session.execute(update(Batch).values(created_by=word[:80], org_codes=[word]))
    seal_step(scene.portal.ledger, scene.portal.seal_key, now=ledger_scene.now)
    found = ledger_scene.document(document.image_no)
    return Planted(
        ledger_scene.batch(batch_id).batch_no, found.id, ledger_scene.files(found.id)[0].id
    )


def plant_people(scene: PageScene, word: str) -> None:
    """Whoever did anything, every channel, source, host, remark, reason and error is ``word``."""
    short = word[:64]
    texts: dict[Any, dict[str, Any]] = {
        DataSource: {"name": short, "client_id": word[:255], "proxy_address": word[:300]},
        Batch: dict.fromkeys(("created_by", "paused_by", "cancelled_by"), short),
        Chore: {
            "asked_by": short,
            "host": short,
            "lease_owner": short,
            "error_code": "EXPORT_UNWRITABLE",
            "error_params": {"detail": word},
        },
        Export: {"asked_by": short, "removed_by": short},
        Hold: {"org_code": word[:255], "params": {"detail": word}, "lifted_by": short},
        Login: {"origin": short},
        NoticeChannel: {"name": short, "shown": word[:300], "portal_url": word[:300]},
        Notice: {"facts": {"by": word}, "error_params": {"detail": word}},
        Preflight: {"asked_by": short},
        Reconciliation: {"asked_by": short},
        Sample: dict.fromkeys(("asked_by", "drawn_by", "closed_by", "nonce"), short),
        SampleDocument: {"remark": word[:2000], "judged_by": short, "image_no": word[:128]},
    }
    now = scene.ledger_scene.now
    with scene.portal.ledger.write() as session:
        session.info["origin"] = short
        for model, values in texts.items():
            session.execute(update(model).values(values))
        broken = {"error_code": "EXPORT_UNWRITABLE", "error_params": {"detail": word}}
        session.execute(update(Chore).where(Chore.kind != "preview").values(broken))
        # Names that the form refuses, as a database that was written to by hand may have them.
        session.execute(update(User).where(User.name == "operator").values(name=short))
        audit.record(
            session, "batch.pause", by=short, at=now, old=word[:40], new=word[:40],
            reason=word[:255], detail={word: word},
        )  # fmt: skip


def assert_harmless(root: Node, where: str) -> None:
    """Nothing of it became an element or an attribute, and no address leads elsewhere."""
    for node in root.walk():
        assert not [name for name in node.attributes if name.startswith("on")], (where, node)
        assert node.tag not in ("i", "b") or "hx-get" not in node.attributes, (where, node)
        assert node.get("src") != "x", (where, node)
        for name in ("href", "src", "action", "formaction", "hx-get", "hx-post"):
            target = node.get(name)
            assert not target.startswith("//"), (where, node)
            assert ":" not in target.split("/")[0].split("?")[0], (where, node)
    assert ">49" not in root.text, where
