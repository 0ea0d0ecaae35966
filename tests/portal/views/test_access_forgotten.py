from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.models import Role
from tests.portal.views.visitor import Visitor


@pytest.fixture
def app(fresh_app: Flask) -> Flask:
    return fresh_app


def test_an_endpoint_that_is_not_in_the_table_is_refused_to_everybody(
    app: Flask, visit: Callable[[str], Visitor]
) -> None:
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    for role in Role:
        assert "secret" not in visit(role.value).get("/forgotten", status=403).text
    response = visit("").raw("/forgotten")
    assert response.status_code == 302
    assert "secret" not in response.text
