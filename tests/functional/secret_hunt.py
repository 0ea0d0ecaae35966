"""Looking for secrets in whatever a program leaves: in every form in which one may stand there."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


def forms(secret: str) -> set[bytes]:
    """As it is, in addresses, in JSON, in HTML, in Python, in hexadecimal, and in base64.

    What base64 makes of it depends on what stands before it: of each of the three cases the middle
    is taken, which the neighbours do not change.
    """
    plain = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote(secret, safe="").lower(),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        repr(secret)[1:-1],
        secret.encode().hex(),
    }
    found = {form.encode() for form in plain}
    raw = secret.encode()
    for before in range(3):
        padded = b"\0" * before + raw
        whole = len(padded) - len(padded) % 3
        skip = 4 if before else 0
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(padded[:whole])[skip:])
    return found


class Hunt:
    """Looks for the secrets named.

    :param secrets: by the name that a finding tells
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        short = [name for name, secret in secrets.items() if len(secret) < 12]
        assert not short, f"chance would find these, too: {short}"
        self._forms = [(name, form) for name, secret in secrets.items() for form in forms(secret)]

    def in_bytes(self, data: bytes) -> set[str]:
        """The names of those that stand there, packed or not."""
        found: set[str] = set()
        for layer in _layers(data):
            found |= {name for name, form in self._forms if form in layer}
        return found

    def in_text(self, text: str) -> set[str]:
        """The same of a text."""
        return self.in_bytes(text.encode("utf-8", "surrogateescape"))

    def in_files(self, *places: Path) -> list[tuple[str, str]]:
        """Every file below that holds one, and which."""
        findings = []
        for place in places:
            for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
                if path.is_file():
                    found = self.in_bytes(path.read_bytes()) | self.in_text(str(path))
                    findings += [(str(path), name) for name in sorted(found)]
        return findings


def _layers(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them."""
    yield data
    if data.startswith(_GZIP):
        yield from _layers(gzip.decompress(data))
    elif data.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                yield name.encode()
                yield from _layers(packed.read(name))
