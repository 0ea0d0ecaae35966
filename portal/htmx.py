"""htmx's names, in one place."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, request

STOP_POLLING = 286


def is_htmx() -> bool:
    """Whether htmx asks, for a part of a page."""
    return request.headers.get("HX-Request") == "true"


def current_page() -> str:
    """The page a part of which is asked for: its path and query, empty when it is not told."""
    try:
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def redirect_htmx(url: str) -> Response:
    """Send the whole page elsewhere; htmx does not see headers of a 3xx."""
    return Response("", status=401, headers={"HX-Redirect": url})
