from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.secret_box import SecretBox, SecretUnreadable

KEY = "k" * 32


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_closed_opens_again(secret: str) -> None:
    assert SecretBox(KEY).open(SecretBox(KEY).close(secret)) == secret


def test_the_stored_text_shows_nothing_and_differs_each_time() -> None:
    box = SecretBox(KEY)
    one, two = box.close("geheim-密码"), box.close("geheim-密码")
    assert one != two
    assert "geheim" not in one
    assert one.isascii()


@pytest.mark.parametrize("change", ["other key", "cut", "not ours", "empty"])
def test_what_cannot_be_opened_says_what_to_do(change: str) -> None:
    stored = SecretBox(KEY).close("s")
    box = SecretBox("x" * 32 if change == "other key" else KEY)
    changed = {"cut": stored[:-4], "not ours": "plain text 明文", "empty": ""}.get(change, stored)
    with pytest.raises(SecretUnreadable, match="PORTAL_SECRET_KEY"):
        box.open(changed)
