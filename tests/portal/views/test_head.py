"""HEAD answers like GET, without the body: what monitors, proxies and link checkers ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from portal.models import AuditEvent
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor
from tests.portal.views.world import World


@pytest.mark.parametrize("name", ["admin", "operator", ""])
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "part"])
def test_every_route_answers_head_like_get(
    world: World, visit: Callable[[str], Visitor], name: str, htmx: bool
) -> None:
    client = visit(name).client
    headers = {"HX-Request": "true"} if htmx else {}
    seen = set()
    for rule in world.rules("GET"):
        path = world.address(rule)
        with client.get(path, headers=headers) as got:
            with client.head(path, headers=headers) as answer:
                assert answer.status_code == got.status_code, path
                assert answer.get_data() == b"", path
                for header in ("Content-Type", "Location", "Content-Disposition", "ETag"):
                    assert answer.headers.get(header) == got.headers.get(header), (path, header)
            seen.add(got.status_code)
    assert 200 in seen


def test_head_leaves_nothing_in_the_trail(world: World, scene: PageScene, admin: Visitor) -> None:
    def events() -> int | None:
        with scene.portal.ledger.read() as session:
            return session.scalar(select(func.count(AuditEvent.id)))

    before = events()
    for rule in world.rules("GET"):
        admin.client.head(world.address(rule)).close()
    assert events() == before
