"""The dialects an admin may speak, and the shapes in which it takes results.

From 2.2.0 on both sides speak JSON. Before, admins post Hessian to the bare prefix (:mod:`.rpc`);
up to 2.1.0 they take nothing else either.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Dialect(StrEnum):
    """How a trigger came in; remembered with its run, and says how the result goes back."""

    RUN = "run"
    """``/run``: admins 2.2.0 to 3.4."""
    TRIGGER = "trigger"
    """``/trigger``: admins from 3.5 on."""
    RPC = "rpc"
    """Hessian in both directions: admins 2.0.0 to 2.1.0."""
    RPC_21 = "rpc-2.1"
    """Hessian from the admin, JSON to it: 2.1.1 and 2.1.2."""


class Shape(StrEnum):
    """What the body of a callback looks like."""

    ARRAY = "array"
    """A list of items that carry the keys of 2.2.0 to 3.4 all at once."""
    OBJECT = "object"
    """``{"callbackList": […]}`` of 3.5."""
    STRICT = "strict"
    """The list of 2.1.1, which refuses a key it does not know."""
    RPC = "rpc"
    """A Hessian object, for admins up to 2.1.0."""


class AdminProtocol(StrEnum):
    """How admins are called; nothing about how they call."""

    AUTO = "auto"
    """In JSON, and in Hessian when what answers at the address takes only that."""
    JSON = "json"
    """2.1.1 and later."""
    HESSIAN = "hessian"
    """2.0.0 to 2.1.0."""


SHAPES: Final[dict[Dialect, Shape]] = {
    Dialect.RUN: Shape.ARRAY,
    Dialect.TRIGGER: Shape.OBJECT,
    Dialect.RPC: Shape.RPC,
    # Not STRICT at once: admins of 2.3 and later, to which this one may have been upgraded, say yes
    # to that and take the run for one that goes on. What 2.1 says to ARRAY is heard.
    Dialect.RPC_21: Shape.ARRAY,
}

_TELL_TALES: Final = (
    (re.compile("Expected BEGIN_OBJECT but was BEGIN_ARRAY", re.IGNORECASE), Shape.OBJECT),
    (re.compile("Expected BEGIN_ARRAY but was BEGIN_OBJECT", re.IGNORECASE), Shape.ARRAY),
    (re.compile(r"The request data invalid", re.IGNORECASE), Shape.STRICT),
)


def dialect_of(word: str, *, names_app: bool) -> Dialect:
    """The dialect of a call, by its word and by whether it carries the header of 3.5."""
    return Dialect.TRIGGER if names_app or word == "trigger" else Dialect.RUN


def shape_asked_for(message: str | None) -> Shape | None:
    """The shape that an admin's refusal of another one gives away; None if it says nothing."""
    for pattern, shape in _TELL_TALES:
        if message is not None and pattern.search(message):
            return shape
    return None
