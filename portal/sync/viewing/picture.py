"""A picture for a browser, and its one form as bytes: between processes and in the cache."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass

from portal.sync.checks.sniff import sniff

MEDIA_TYPES = {"jpeg": "image/jpeg", "png": "image/png"}


@dataclass(frozen=True)
class Rendition:
    """What a browser may show.

    :ivar media_type: ``image/jpeg`` or ``image/png``
    :ivar body: the picture
    :ivar pages: how many pages the archived file has
    """

    media_type: str
    body: bytes
    pages: int

    def to_bytes(self) -> bytes:
        """One line of JSON, then the picture."""
        head = {"pages": self.pages, "crc32": zlib.crc32(self.body)}
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> Rendition:
        """Read what :meth:`to_bytes` wrote.

        The other side may have been taken over by a hostile file, or been cut off by a crash: the
        media type is told by the picture's own first bytes.

        :raises ValueError: if it is not whole, or neither JPEG nor PNG
        """
        line, _, body = data.partition(b"\n")
        head = json.loads(line)
        media_type = MEDIA_TYPES.get(sniff(body))
        pages = head.get("pages") if isinstance(head, dict) else None
        if media_type is None or type(pages) is not int or head.get("crc32") != zlib.crc32(body):
            raise ValueError("not a whole picture")
        return cls(media_type, body, pages)
