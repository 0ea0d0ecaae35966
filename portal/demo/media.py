"""Files without storing them: a shared head and a small tail of its own for each file.

A tenant of a million files keeps a few dozen :class:`BaseFile` in memory. A file is one of them
plus a tail that carries the file's identity in a place which readers of that format ignore, so
every file is different, its size is known beforehand and its digest costs one small block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

IDENTITY_LENGTH = 28


class BaseFile:
    """What many files have in common.

    :param suffix: the suffix that fits the content
    :param head: the bytes every such file begins with
    :param tail: makes the closing bytes from an identity; always of the same length
    :param pages: pages or frames
    """

    __slots__ = ("_md5", "_sha256", "_tail", "head", "pages", "size", "suffix")

    def __init__(
        self, suffix: str, head: bytes, tail: Callable[[bytes], bytes], pages: int = 1
    ) -> None:
        self.suffix = suffix
        self.head = head
        self.pages = pages
        self.size = len(head) + len(tail(b"0" * IDENTITY_LENGTH))
        self._tail = tail
        self._sha256 = hashlib.sha256(head)
        self._md5 = hashlib.md5(head, usedforsecurity=False)

    def parts(self, identity: bytes) -> tuple[bytes, bytes]:
        """The whole file in two pieces; the first is shared, so no copy is made."""
        return self.head, self._tail(identity)

    def sha256(self, identity: bytes) -> str:
        """Lower-case hex digest of the whole file."""
        digest = self._sha256.copy()
        digest.update(self._tail(identity))
        return digest.hexdigest()

    def md5(self, identity: bytes) -> str:
        """Lower-case hex digest of the whole file."""
        digest = self._md5.copy()
        digest.update(self._tail(identity))
        return digest.hexdigest()


def identity(seed: int, number: int, ordinal: int) -> bytes:
    """The unique mark of a file: :data:`IDENTITY_LENGTH` ASCII characters.

    :param number: of the document, from 1
    :param ordinal: of the file in the document, from 1
    """
    return b"%016x%010d%02d" % (seed & 0xFFFF_FFFF_FFFF_FFFF, number, ordinal)
