"""The body of ``fileCollect``: JSON whose ``base64`` is made of the file while it is sent."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import BinaryIO

# A multiple of three: pieces of base64 then follow each other without padding between them.
_PIECE = 3 * 64 * 1024


class Base64Body:
    """A request body for ``requests``: its length is known, memory holds one piece of it.

    :param content: read from where it stands, ``size`` bytes
    """

    def __init__(self, content: BinaryIO, size: int, fields: Mapping[str, object]) -> None:
        self._content = content
        self._left = size
        rest = json.dumps(fields, ensure_ascii=False)[1:].encode()
        self._ready = b'{"base64": "'
        self._end = b'", ' + rest if fields else b'"}'
        self._length = len(self._ready) + (size + 2) // 3 * 4 + len(self._end)

    def __len__(self) -> int:
        return self._length

    def read(self, amount: int = -1) -> bytes:
        """The next bytes of the body, ``amount`` at most.

        :raises EOFError: when the file is shorter than it is said to be
        """
        while self._left and (amount < 0 or len(self._ready) < amount):
            piece = self._content.read(min(_PIECE, self._left))
            if not piece or (len(piece) % 3 and len(piece) < self._left):
                raise EOFError("the file is shorter than it was")
            self._left -= len(piece)
            self._ready += base64.b64encode(piece)
        if not self._left and self._end:
            self._ready, self._end = self._ready + self._end, b""
        end = len(self._ready) if amount < 0 else amount
        taken, self._ready = self._ready[:end], self._ready[end:]
        return taken
