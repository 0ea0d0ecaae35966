"""``imgmig demo`` as a user calls it."""

from __future__ import annotations

import shutil
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.functional.installation import Installation

pytestmark = pytest.mark.processes

KEYS = ("trigger", "documents", "synced", "failed", "files", "bytes", "verified", "seconds")
SMALL = ("--documents", "60", "--mean-size", "40000")
PLANTED = (
    "FILE_CORRUPT",
    "FILE_DIGEST_MISMATCH",
    "FILE_RESOLUTION_LOW",
    "FILE_TYPE_MISMATCH",
    "META_MISSING_FIELD",
    "META_NO_IMAGE_NO",
)


def test_the_last_line_is_the_result_and_everything_stays_in_the_home(
    site: Installation, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ended = site.demo(*SMALL, TMPDIR=str(temporary))
    assert ended.code == 0, ended
    assert tuple(ended.json) == KEYS
    counts = {key: ended.json[key] for key in ("trigger", "documents", "synced", "failed")}
    assert counts == {"trigger": "xxl-job", "documents": 60, "synced": 54, "failed": 6}
    assert ended.json["verified"] == 54
    files = [path for folder in site.archived_folders() for path in folder.iterdir()]
    assert ended.json["files"] == len(files)
    assert ended.json["bytes"] == sum(path.stat().st_size for path in files)
    assert list(temporary.iterdir()) == []
    assert site.processes() == []
    assert site.json("verify")["findings"] == []
    for code in PLANTED:
        assert f"{code} ×1" in ended.out
    assert_what_differs_fails_the_next_one(site)


def assert_what_differs_fails_the_next_one(site: Installation) -> None:
    shutil.rmtree(site.archived_folders()[0])
    ended = site.demo(*SMALL)
    assert ended.code == 1, ended
    assert tuple(ended.json) == KEYS
    assert ended.json["verified"] == 53
    assert "不符 differs: 归档不符 findings" in ended.out


def test_without_a_home_nothing_is_left(site: Installation, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ended = site.demo(*SMALL, TMPDIR=str(temporary), IMGMIG_HOME="")
    assert ended.code == 0, ended
    assert list(temporary.iterdir()) == []
    assert list(site.home.iterdir()) == []


def test_a_demo_without_a_home_that_cannot_go_on_says_where_its_logs_are(
    site: Installation, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with closing(socket.create_server(("127.0.0.1", site.port))):
        ended = site.demo(*SMALL, TMPDIR=str(temporary), IMGMIG_HOME="")
    assert ended.code == 2, ended
    assert f"127.0.0.1:{site.port}" in ended.err
    (kept,) = temporary.iterdir()
    assert str(kept) in ended.err
    assert (kept / "logs" / "web.log").exists()
