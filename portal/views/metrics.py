"""The figures on ``/metrics``, and who may fetch them."""

from __future__ import annotations

import hmac
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from flask import current_app, request

from executor.exposition import Family, Histogram, Observed
from portal import __version__
from portal.models import utc_now
from portal.request_counts import BOUNDS, Answered, Key, RequestCounts
from portal.runtime import Portal
from portal.services.figures import batches, sources, targets, upkeep
from portal.services.readiness.checks import Check

logger = logging.getLogger(__name__)

_PROXIED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Via")


def may_read(portal: Portal) -> bool:
    """Whether the caller may have the figures: by the token, or without one from this host only.

    What a proxy on this host passes on comes from anywhere.
    """
    token = portal.settings.metrics_token()
    if token:
        given = request.headers.get("Authorization", "").encode("latin-1", "replace")
        return hmac.compare_digest(given, f"Bearer {token}".encode())
    if any(name in request.headers for name in _PROXIED):
        return False
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def families(portal: Portal) -> Iterator[Family | Histogram]:
    """Everything; of a ledger that does not answer only that it does not."""
    yield Family("imgmig_build_info", "The version.", [({"version": __version__}, 1)])
    checks = portal.readiness.look()
    yield Family(
        "imgmig_check_ok",
        "The checks of /readyz: 1 fine, 0 not.",
        [({"check": check.name}, check.ok) for check in checks],
    )
    yield from _requests(current_app.extensions["portal.requests"])
    yield from _queue(portal, checks)
    if any(check.name in ("ledger", "schema") and not check.ok for check in checks):
        return
    now = utc_now()
    with portal.ledger.read() as session:
        for part in (batches, sources, targets, upkeep):
            yield from part.figures(session, now)
    yield from portal.executor.figures()


def _queue(portal: Portal, checks: Sequence[Check]) -> Iterator[Family]:
    """Not asked when it did not answer a moment ago: it may hang."""
    if all(check.ok for check in checks if check.name == "queue"):
        waiting = portal.queue.waiting()
        if waiting is not None:
            yield Family("imgmig_queue_length", "Messages no worker took yet.", [({}, waiting)])


def _requests(counts: RequestCounts) -> Iterator[Family | Histogram]:
    answered = counts.everybody()
    yield Family(
        "imgmig_http_requests_total",
        "Requests answered by all web processes of this host.",
        [
            ({"method": method, "route": route, "status": str(status)}, sum(one.buckets))
            for (method, route, status), one in sorted(answered.items())
        ],
        type="counter",
    )
    yield Histogram(
        "imgmig_http_request_duration_seconds",
        "From the request to the last byte of its answer.",
        BOUNDS,
        [
            Observed(dict(zip(("method", "route"), key, strict=True)), one.buckets, one.seconds)
            for key, one in sorted(_by_route(answered).items())
        ],
    )


def _by_route(answered: Mapping[Key, Answered]) -> dict[tuple[str, str], Answered]:
    routes: dict[tuple[str, str], Answered] = defaultdict(Answered)
    for (method, route, _status), one in answered.items():
        routes[method, route].include(one)
    return routes
