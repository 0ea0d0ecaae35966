"""A single file on trial, which lies on the disk without a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import tests.portal.sync.checks.check_samples as samples
from portal.errors import SyncError
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.one_file import inspect_one, nameless_file
from tests.portal.fake_source import make_file


def test_a_pdf_is_checked_like_any_other_file(tmp_path: Path) -> None:
    file = replace(make_file(1, 1, name="发票.pdf", category="invoice"), suffix="pdf")
    with nameless_file(tmp_path) as content:
        content.write(samples.pdf(2))
        assert inspect_one(file, content, CompatibilityRules()).pages == 2
        content.seek(0)
        content.truncate()
        content.write(samples.pdf(2)[:-40])
        with pytest.raises(SyncError) as raised:
            inspect_one(file, content, CompatibilityRules())
    assert raised.value.code == "FILE_CORRUPT"
    assert list(tmp_path.iterdir()) == []
