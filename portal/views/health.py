"""/healthz: the process answers; /readyz: it can work, or why not; /metrics: how it is doing."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from executor.exposition import CONTENT_TYPE, page
from portal.runtime import current_portal
from portal.views.metrics import families, may_read

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    """Alive: answers whatever is broken behind, and touches nothing."""
    return jsonify(status="ok")


@bp.get("/metrics")
def metrics() -> Response:
    """Figures for a monitor; they name no document, person or parameter."""
    portal = current_portal()
    if not may_read(portal):
        text = "PORTAL_METRICS_TOKEN: Authorization: Bearer …\n"
        refused = Response(text, HTTPStatus.UNAUTHORIZED, content_type="text/plain; charset=utf-8")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    return Response(page(families(portal)), content_type=CONTENT_TYPE)


@bp.get("/readyz")
def readyz() -> tuple[Response, HTTPStatus]:
    """Able to work: each check with its code and general words, which anybody may know."""
    checks = current_portal().readiness.look()
    ready = all(check.ok for check in checks)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return jsonify(ready=ready, checks=[check.as_public() for check in checks]), status
