"""The worked example of 推送到旗舰版, word for word but for its ports."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from portal.settings import PREFIXES
from tests.functional.installation import free_port

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
MANUAL = Path(__file__).parents[2] / "docs/zh/推送到旗舰版.md"


def example() -> str:
    """The commands of its last section but one, on ports that are free."""
    section = MANUAL.read_text("utf-8").split("## 6. ")[1]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None
    text = found[1]
    for port in ("8100", "8200", "8300"):
        assert f":{port}" in text
        text = text.replace(f":{port}", f":{free_port()}")
    return text


def test_the_example_of_the_manual_works_as_it_stands(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIXES)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["TMPDIR"] = str(tmp_path)
    with subprocess.Popen(
        ["bash", "-eu", "-c", example()],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as script:
        try:
            out, errors = script.communicate(timeout=500)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(script.pid, signal.SIGKILL)
    assert "Traceback" not in errors, errors
    lines = out.splitlines()
    (progress,) = (line for line in lines if "已确认 confirmed" in line)
    archived, confirmed = re.findall(r"(?:archived|confirmed) (\d+)", progress)
    assert archived == confirmed != "0"
    assert "失败 failed 0" in progress
    (checked,) = (line for line in lines if line.startswith("核对 looked at"))
    assert f"looked at {archived}  缺失 missing 0" in checked
    (told,) = (json.loads(line) for line in lines if '"calls"' in line)
    assert told["calls"]["scanBillSubmit"] == int(archived)
    assert told["collectedAgain"] == 0
