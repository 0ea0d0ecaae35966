from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from supply.licences import (
    ACCEPTED,
    PAGE,
    RefusedLicence,
    acceptable,
    licence_of,
    page,
    recorded,
)
from supply.lock import RUNTIME, Locked, read_lock
from supply.vendored import FOLDER, VENDORED

LOCKED = read_lock(RUNTIME)


def test_the_page_lists_exactly_what_is_locked() -> None:
    assert list(recorded()) == [(each.name, each.version) for each in LOCKED], "make licences"


@pytest.mark.parametrize("package", LOCKED, ids=lambda package: package.name)
def test_the_page_says_what_the_package_states(package: Locked) -> None:
    try:
        installed = distribution(package.name)
    except PackageNotFoundError:
        pytest.skip("not needed by this Python")
    if installed.version != package.version:
        pytest.skip(f"{installed.version} is installed here")
    stated = licence_of(installed)
    assert acceptable(stated) == recorded()[package.name, package.version]


def test_the_browsers_files_are_those_that_are_listed() -> None:
    there = {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert there == {each.file for each in VENDORED}
    for each in VENDORED:
        digest = hashlib.sha256((FOLDER / each.file).read_bytes()).hexdigest()
        assert digest == each.sha256, each.file
        assert each.version in each.file
        row = f"| {each.file} | {each.package} | {each.version} | {each.licence} | `{digest}` |"
        assert row in PAGE.read_text().splitlines(), "make licences"


def installed(folder: Path, name: str, *headers: str, text: str = "") -> Locked:
    """A package in a folder, with these lines of metadata and this licence text."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1.0", *headers]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (info / "LICENSE").write_text(text)
    (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/LICENSE,,\n")
    return Locked(name, "1.0", "", ("0" * 64,), frozenset())


@pytest.mark.parametrize(
    "headers",
    [
        ["License-Expression: GPL-3.0-or-later"],
        ["License-Expression: AGPL-3.0-only"],
        ["License-Expression: MIT AND GPL-2.0-only"],
        ["License-Expression: MIT WITH something"],
        ["License: GPLv3"],
        ["Classifier: License :: OSI Approved :: GNU Affero General Public License v3"],
        ["Classifier: License :: OSI Approved :: BSD License"],
        ["License: see LICENSE"],
        [],
    ],
)
def test_a_licence_that_is_not_accepted_or_not_clear_is_refused(
    tmp_path: Path, headers: list[str]
) -> None:
    good = installed(tmp_path, "good", "License-Expression: MIT")
    bad = installed(tmp_path, "bad", *headers, text="nobody has read this")
    with pytest.raises(RefusedLicence, match=r"^bad 1\.0: "):
        page([good, bad], tmp_path)


@pytest.mark.parametrize(
    ("headers", "expression"),
    [
        (["License-Expression: MIT OR GPL-2.0-only"], "MIT OR GPL-2.0-only"),
        (["License: Apache 2.0"], "Apache-2.0"),
        (["Classifier: License :: OSI Approved :: MIT License"], "MIT"),
    ],
)
def test_other_ways_to_say_an_accepted_licence(
    tmp_path: Path, headers: list[str], expression: str
) -> None:
    package = installed(tmp_path, "good", *headers)
    assert f"| good | 1.0 | {expression} |" in page([package], tmp_path).splitlines()


def test_a_package_that_is_not_there_in_its_version_is_refused(tmp_path: Path) -> None:
    package = installed(tmp_path, "good", "License-Expression: MIT")
    newer = Locked(package.name, "1.1", "", package.sha256, frozenset())
    with pytest.raises(RefusedLicence, match="not installed in this version"):
        page([newer], tmp_path)


def test_no_gpl_is_among_the_accepted() -> None:
    assert [name for name in ACCEPTED if name.startswith(("GPL", "AGPL"))] == []
