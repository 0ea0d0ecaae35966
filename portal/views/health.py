"""/healthz: the process answers; /readyz: it can work, or why not; /metrics: how it is doing."""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Blueprint, Response, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from executor.metrics import CONTENT_TYPE
from portal.errors import reason
from portal.models import utc_now
from portal.runtime import current_portal
from portal.services import clocks
from portal.services.leases import alive_workers

bp = Blueprint("health", __name__)
logger = logging.getLogger(__name__)


@bp.get("/healthz")
def healthz() -> Response:
    """Alive."""
    return jsonify(status="ok")


@bp.get("/metrics")
def metrics() -> Response:
    """Figures for a monitor; they name no document, person or parameter."""
    return Response(current_portal().executor.metrics(), content_type=CONTENT_TYPE)


@bp.get("/readyz")
def readyz() -> tuple[Response, HTTPStatus]:
    """Able to work: the ledger answers, a worker is alive, and the clock is that of the others."""
    reasons: list[str] = []
    portal = current_portal()
    try:
        with portal.ledger.read() as session:
            session.execute(text("SELECT 1"))
            if not alive_workers(session, now=utc_now()):
                reasons.append("no worker alive")
        if problem := clocks.problem(portal.ledger, utc_now):
            reasons.append(f"{problem.code}: {reason(problem.code, problem.params, 'en')}")
    except SQLAlchemyError:
        logger.exception("the ledger does not answer")
        reasons.append("the ledger does not answer")
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    return jsonify(ready=not reasons, reasons=reasons), status
