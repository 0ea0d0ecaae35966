"""The dialects an admin may speak, and the shapes in which it takes results.

Spoken here is the JSON of 2.2.0 and later. The Hessian of 2.0 and 2.1 fits in as one more
:class:`Dialect`: its reader makes the dataclasses of :mod:`.inbound` from a body that came to the
bare prefix, its writer packs an :class:`~.outbound.Answer`, and :data:`SHAPES` gets its line.
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


class Shape(StrEnum):
    """What the body of a callback looks like."""

    ARRAY = "array"
    """A list of items that carry the keys of 2.2.0 to 3.4 all at once."""
    OBJECT = "object"
    """``{"callbackList": […]}`` of 3.5."""
    STRICT = "strict"
    """The list of 2.1, which refuses a key it does not know."""


SHAPES: Final[dict[Dialect, Shape]] = {Dialect.RUN: Shape.ARRAY, Dialect.TRIGGER: Shape.OBJECT}

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
