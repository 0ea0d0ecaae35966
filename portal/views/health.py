"""/healthz: the process answers; /readyz: it can work, or why not; /metrics: how it is doing."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, jsonify

from executor.metrics import CONTENT_TYPE
from portal.runtime import current_portal

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def healthz() -> Response:
    """Alive: answers whatever is broken behind, and touches nothing."""
    return jsonify(status="ok")


@bp.get("/metrics")
def metrics() -> Response:
    """Figures for a monitor; they name no document, person or parameter."""
    return Response(current_portal().executor.metrics(), content_type=CONTENT_TYPE)


@bp.get("/readyz")
def readyz() -> tuple[Response, HTTPStatus]:
    """Able to work: each check with its code and general words, which anybody may know."""
    checks = current_portal().readiness.look()
    ready = all(check.ok for check in checks)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return jsonify(ready=ready, checks=[check.as_public() for check in checks]), status
