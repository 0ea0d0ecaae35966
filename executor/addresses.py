"""Addresses as they may be shown, stored and logged: without a user and a password in them."""

from __future__ import annotations

import re
from typing import Final

_CREDENTIALS: Final = re.compile(r"(://)[^\s/?#\"'<>]*@")


def shown_address(text: str) -> str:
    """An address, or a text with addresses in it, without credentials."""
    return _CREDENTIALS.sub(r"\1", text)
