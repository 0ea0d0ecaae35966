"""Live regions that many people look at: one rendering a second serves all who may see the same.

What a region shows depends on its address, the role and the language of who asks, and on nothing
else but the ledger (a test holds its templates to that); the token of its forms is put in for
each. Access is decided before, for everybody anew. Only the polls are shared, never a page, and a
poll comes at the earliest two seconds after its page: so after one's own action nobody sees what
was before it. Each process shares by itself.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Final, TypeVar

from flask import Flask, Response, current_app, g, make_response, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.csrf import generate_csrf

from portal.htmx import is_htmx
from portal.language import language
from portal.request_watch import note_poll

LIFE_SECONDS: Final = 1.0
"""From the beginning of a rendering on; less than the shortest pause between two polls."""
_MOST = 512
_TOKEN: Final = secrets.token_hex(16)
_EXTENSION: Final = "portal.shared_regions"

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])


@dataclass(slots=True)
class _Rendering:
    """One that is under way, or done when ``answer`` is there; ``done`` also when it failed."""

    began: float
    done: threading.Event = field(default_factory=threading.Event)
    answer: tuple[str, int] | None = None


class SharedRegions:
    """The renderings of the last second, of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, _Rendering] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, render: Callable[[], tuple[str, int]]) -> tuple[str, int]:
        """What ``render`` gave to whoever asked first; who asks meanwhile waits for it.

        When that fails, whoever waited renders for themselves.
        """
        with self._lock:
            now = self._clock()
            rendering = self._kept.get(key)
            is_ours = rendering is None or now - rendering.began >= LIFE_SECONDS
            if rendering is None or is_ours:
                self._make_room(now)
                rendering = self._kept[key] = _Rendering(now)
        if not is_ours:
            rendering.done.wait()
            return rendering.answer or render()
        try:
            rendering.answer = render()
        except BaseException:
            self._drop(key, rendering)
            raise
        finally:
            rendering.done.set()
        return rendering.answer

    def forget(self) -> None:
        """Something was done: what was rendered before it is not shown any more."""
        with self._lock:
            self._kept.clear()

    def _drop(self, key: Hashable, rendering: _Rendering) -> None:
        with self._lock:
            if self._kept.get(key) is rendering:
                del self._kept[key]

    def _make_room(self, now: float) -> None:
        if len(self._kept) >= _MOST:
            self._kept = {
                key: one for key, one in self._kept.items() if now - one.began < LIFE_SECONDS
            }
        if len(self._kept) >= _MOST:
            self._kept.clear()


def init_app(app: Flask) -> None:
    """Share from now on; whatever is sent ends what was shared before."""
    app.extensions[_EXTENSION] = SharedRegions()

    def forget(response: Response) -> Response:
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            shared_regions(app).forget()
        return response

    app.after_request(forget)


def shared_regions(app: Flask) -> SharedRegions:
    """What the application shares."""
    regions: SharedRegions = app.extensions[_EXTENSION]
    return regions


def shared(view: View) -> View:
    """Share the view's answers to polls; it must show the same to all of a role and language."""

    @wraps(view)
    def answer(**places: Any) -> ResponseReturnValue:
        if not is_htmx():
            return view(**places)
        note_poll()

        def render() -> tuple[str, int]:
            response = make_response(view(**places))
            text = response.get_data(as_text=True)
            token = g.get("csrf_token")  # where a form wanted one
            return (text.replace(token, _TOKEN) if token else text), response.status_code

        place = (request.script_root, request.path, request.query_string)
        key = (*place, current_user.role, language())
        text, status = shared_regions(current_app).get(key, render)
        if _TOKEN in text:
            text = text.replace(_TOKEN, generate_csrf())
        return text, status

    return answer  # type: ignore[return-value] # it is called as the view is
