"""What can be told of a file that has no picture: named facts and the beginning of its text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from portal.sync.answers import one_line

#: The kinds (``File.kind``) of which something can be told, and the module that reads each.
TOLD_KINDS = {
    "ofd": "facts_ofd",
    "xml": "facts_text",
    "txt": "facts_text",
    "ooxml": "facts_packed",
    "zip": "facts_packed",
}
_FACTS_AT_MOST = 60
_NAME_AT_MOST = 60
_VALUE_AT_MOST = 300
_TEXT_AT_MOST = 6000


@dataclass(frozen=True)
class Facts:
    """What a file says of itself.

    :ivar named: (name, value) in the file's order; a name is one of :data:`WORDS` or the file's own
    :ivar text: how its text begins, lines kept; may be empty
    """

    named: tuple[tuple[str, str], ...]
    text: str = ""

    def to_bytes(self) -> bytes:
        """One JSON object, of bounded size."""
        return json.dumps({"facts": self.named, "text": self.text}).encode()

    @classmethod
    def made_of(cls, named: list[tuple[str, str]], text: str = "") -> Facts:
        """Cut to what a page can show, without control characters and empty values."""
        kept = [
            (one_line(name, _NAME_AT_MOST), one_line(value, _VALUE_AT_MOST))
            for name, value in named
            if value.strip()
        ]
        shown = "".join(char for char in text if char.isprintable() or char in "\n\t")
        return cls(tuple(kept[:_FACTS_AT_MOST]), shown[:_TEXT_AT_MOST])

    @classmethod
    def from_bytes(cls, data: bytes) -> Facts:
        """Read what :meth:`to_bytes` wrote; the other side may have been taken over.

        :raises ValueError: if it is not that
        """
        said = json.loads(data)
        if not isinstance(said, dict):
            raise ValueError("not facts")
        named, text = said.get("facts"), said.get("text")
        if not isinstance(named, list) or not isinstance(text, str):
            raise ValueError("not facts")
        pairs = [(str(pair[0]), str(pair[1])) for pair in named if len(pair) == 2]
        return cls.made_of(pairs, text)


#: Names of facts that mean the same in every kind of file.
WORDS = frozenset(
    {
        *("title", "author", "creator", "created", "modified", "pages", "page_size", "application"),
        *("invoice_code", "invoice_number", "issued", "seller", "seller_tax_no", "buyer"),
        *("buyer_tax_no", "amount", "tax", "total", "check_code", "members", "root"),
    }
)
