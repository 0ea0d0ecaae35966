"""The search for secrets can find them: whatever the form, whatever they are packed in."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.functional.secret_hunt import Hunt

SECRET = 'pa/ss+w"o&r d=密码\\é0123'
WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "in an address": lambda secret: quote(secret, safe=""),
    "in a form": quote_plus,
    "in JSON": json.dumps,
    "in JSON in JSON": lambda secret: json.dumps(json.dumps({"x": secret})),
    "in a page": html.escape,
    "in a trace": repr,
    "in hexadecimal": lambda secret: secret.encode().hex(),
    **{
        f"in base64 behind {before} bytes": lambda secret, before=before: base64.b64encode(  # type: ignore[misc]
            b"u" * before + secret.encode() + b"more"
        ).decode()
        for before in range(4)
    },
}


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("sheet.xml", data)
    return out.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "bare": bytes,
    "gzip": gzip.compress,
    "zip": zipped,
    "zip in gzip": lambda data: gzip.compress(zipped(data)),
}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("written", WRITTEN)
def test_a_secret_is_found(tmp_path: Path, written: str, packed: str) -> None:
    text = f"a line before\nsome words {WRITTEN[written](SECRET)} some more\n"
    (tmp_path / "below").mkdir()
    file = tmp_path / "below" / "file"
    file.write_bytes(PACKED[packed](text.encode()))
    assert Hunt({"it": SECRET}).in_files(tmp_path) == [(str(file), "it")]


def test_a_name_of_a_file_is_looked_at_and_what_is_no_secret_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "a-token-0123456789.txt").write_text(SECRET)
    hunt = Hunt({"name": "a-token-0123456789", "absent": "not-to-be-found-anywhere"})
    assert {name for _path, name in hunt.in_files(tmp_path)} == {"name"}


def test_a_secret_that_chance_would_find_is_refused() -> None:
    with pytest.raises(AssertionError, match="tiny"):
        Hunt({"tiny": "abc"})
