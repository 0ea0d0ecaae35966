"""The worked examples of the manuals, run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.functional.installation import Installation

pytestmark = pytest.mark.processes
MANUALS = Path(__file__).parents[2] / "docs" / "zh"


@pytest.mark.parametrize(
    ("manual", "failed"),
    [
        (
            "清单数据源.md",
            {
                "FILE_CORRUPT", "FILE_DIGEST_MISMATCH", "FILE_RESOLUTION_LOW",
                "FILE_TYPE_MISMATCH", "META_NO_IMAGE_NO",
            },
        ),
        (
            "数据库数据源.md",
            {
                "FILE_CORRUPT", "FILE_DIGEST_MISMATCH", "FILE_RESOLUTION_LOW",
                "FILE_TYPE_MISMATCH",
            },
        ),
    ],
)  # fmt: skip
def test_the_example_migrates_all_but_its_defects(
    site: Installation, tmp_path: Path, manual: str, failed: set[str]
) -> None:
    (commands,) = re.findall(r"```sh\n(.*?)```", (MANUALS / manual).read_text("utf-8"), re.DOTALL)
    site.run("db", "upgrade")
    site.start("worker")
    site.start("agent")
    shell = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        env=site.environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 0, shell
    assert "SRC_" not in shell.stdout
    (batch,) = site.json("batch", "list")
    site.wait_until_ended(batch["batch_no"])
    report = site.show(batch["batch_no"])
    assert Counter(one["code"] for one in report["failures"]) == Counter(failed)
    # What lacks a file's name has one by its path.
    assert report["synced"] == 19, report
