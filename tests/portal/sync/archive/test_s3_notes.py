"""A bucket is sent what was noted; what was written and not noted is no success."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.portal.sync.archive.stores import bucket, s3_archive

pytestmark = pytest.mark.s3


def test_a_file_that_was_never_noted_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    with bucket() as name:
        archive = s3_archive(name, tmp_path / "scratch")
        stage = archive.stage("源/2024-01/1", owner="w1")
        stage.path("01-cover.jpg").write_bytes(b"a page")
        with pytest.raises(ValueError, match=r"01-cover\.jpg"):
            archive.publish([stage])
        assert list(archive.walk()) == []
        stage.close()
