"""What holds of every text and value that a parser lets through."""

from __future__ import annotations

import json
import re
from typing import Any

from portal.sync.answers import CONTROLS

_CONTROL = re.compile(rf"[{CONTROLS}]")


def assert_shown(text: str, most: int) -> None:
    """It may be shown in a line and stored: bounded, no controls, no halves of characters."""
    assert len(text) <= most, len(text)
    assert not _CONTROL.search(text), repr(text)


def assert_stored(value: Any) -> None:
    """Every database stores it as JSON: no NUL, no halves of characters, no NaN."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
