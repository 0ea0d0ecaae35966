from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from portal.models import Document
from portal.services.identities import may_be
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene


def test_documents_are_found_by_the_index_on_their_identity(scene: Scene) -> None:
    scene.listed_batch([make_document(number) for number in range(3)])
    query = select(Document.image_no).where(
        may_be(scene.source_id, [("EAS", "FYBX00000"), ("EAS", "FYBX00002"), ("OA", "other")])
    )
    with scene.ledger.read() as session:
        assert set(session.scalars(query)) == {"FYBX00000", "FYBX00002"}
        if session.get_bind().dialect.name != "sqlite":
            return
        asked = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
        (plan,) = session.execute(text(f"EXPLAIN QUERY PLAN {asked}")).all()
    assert "data_source_id=? AND resource=? AND image_no=?" in plan.detail
