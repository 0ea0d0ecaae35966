"""No file takes more than five seconds and 300 MB, and each hostile one is refused by name."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import tests.portal.sync.checks.check_samples as samples
from portal.sync.checks.pool import InspectorPool
from tests.portal.sync.checks.hostile_samples import HOSTILE, Hostile
from tests.portal.sync.checks.measured_checks import Measured, measured

# All files are checked while the first test is set up.
pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

SECONDS, BYTES = 5, 300_000_000
#: Where a library gave up before anything could be told of the file.
LATE = {"forms.pdf", "flate.pdf", "content.pdf"}


@pytest.fixture(scope="module", params=[False, True], ids=["unproved", "proved"])
def checked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Measured]:
    """Every hostile file, checked by the real child, each beside a small good one.

    That a digest proves its bytes to be the source's makes none of them harmless.
    """
    folder = tmp_path_factory.mktemp("hostile")
    for file in HOSTILE:
        (folder / file.name).write_bytes(file.make())
    jobs = (samples.job(folder / file.name, proved=request.param) for file in HOSTILE)
    return measured(jobs)


@pytest.mark.parametrize("file", HOSTILE, ids=lambda file: file.name)
def test_hostile_file_ends_in_time_and_memory_with_its_own_reason(
    checked: dict[str, Measured], file: Hostile
) -> None:
    found = checked[file.name]
    assert found.result.error is not None, found.result.facts
    assert found.code == file.code, found.result.error
    assert file.detail in (None, found.result.error.params.get("detail"))
    assert found.result.error.permanent
    assert found.seconds < SECONDS
    assert found.peak < BYTES
    over_limit = found.result.error.params.get("detail") in {"memory", "4.5 s"}
    assert over_limit == (file.name in LATE), found.result.error


def test_time_of_the_pool_is_within_the_five_seconds() -> None:
    assert inspect.signature(InspectorPool).parameters["seconds"].default <= 4.5


def test_reason_holds_nothing_that_a_page_must_not_show(tmp_path: Path) -> None:
    """The name of a missing member comes from the file."""
    members = samples.ofd_members()
    document = members["Doc_0/Document.xml"].replace(b"Page_0/", "\u202egpj\u0085.exe/".encode())
    path = tmp_path / "names.ofd"
    path.write_bytes(samples.zipped({**members, "Doc_0/Document.xml": document}))
    error = measured([samples.job(path)])["names.ofd"].result.error
    assert error is not None
    assert error.params["detail"] == "ofd: Doc_0/Pages/ gpj .exe/Content.xml is missing"
