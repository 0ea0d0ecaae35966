"""The lock is whole, keeps to the bounds, and leaves nothing to whoever answers for an index."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from supply.lock import BUILD, RUNTIME, BadLock, canonical, read_lock
from supply.wanted import build, runtime

LOCKED = {package.name: package for package in read_lock(RUNTIME)}
# What we say it installs on: the first of a Python as Debian 12 has it, and later ones.
PLACES = [
    {
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for version in ("3.11.2", "3.11.9", "3.12.3", "3.13.5")
    for machine in ("x86_64", "aarch64")
]


def as_locked(name: str) -> Distribution | None:
    """What is installed here under that name, if it is the locked version."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    return found if found.version == LOCKED[name].version else None


def needed(place: dict[str, str]) -> Iterator[Requirement]:
    """Every requirement there, those of requirements too, as far as metadata is at hand."""
    todo = [Requirement(line) for line in runtime()]
    done: set[tuple[str, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        yield wanted
        name, extras = canonical(wanted.name), frozenset(wanted.extras)
        if name not in LOCKED or (name, extras) in done:
            continue
        done.add((name, extras))
        installed = as_locked(name)
        for line in (installed.requires if installed else None) or ():
            further = Requirement(line)
            given = [{"extra": extra} for extra in ("", *extras)]
            if further.marker is None or any(further.marker.evaluate(place | e) for e in given):
                todo.append(further)


@pytest.mark.parametrize(
    "place", PLACES, ids=lambda it: f"{it['python_full_version']}-{it['platform_machine']}"
)
def test_every_requirement_is_locked_within_its_bounds(place: dict[str, str]) -> None:
    for wanted in needed(place):
        name = canonical(wanted.name)
        assert name in LOCKED, f"{wanted} is not locked: make lock"
        locked = LOCKED[name]
        assert wanted.specifier.contains(locked.version), f"{wanted}: make lock"
        assert not locked.marker or Marker(locked.marker).evaluate(dict(place)), wanted


def test_nothing_else_is_locked() -> None:
    if unknown := [name for name in LOCKED if as_locked(name) is None and name != "async-timeout"]:
        pytest.skip(f"other versions are installed here: {', '.join(unknown)}")
    wanted = {canonical(each.name) for place in PLACES for each in needed(place)}
    assert set(LOCKED) - wanted == set()


def test_each_package_is_locked_once() -> None:
    for file in (RUNTIME, BUILD):
        names = [package.name for package in read_lock(file)]
        assert len(names) == len(set(names))


def test_what_builds_the_wheel_is_locked_too() -> None:
    locked = {package.name: package.version for package in read_lock(BUILD)}
    for line in build():
        wanted = Requirement(line)
        assert wanted.specifier.contains(locked[canonical(wanted.name)])


def test_no_index_is_named() -> None:
    for file in (RUNTIME, BUILD):
        text = file.read_text()
        assert "://" not in text
        assert "index" not in text


PACKAGE = "click==8.5.1 \\\n    --hash=sha256:" + "a" * 64 + "\n"


@pytest.mark.parametrize(
    "line",
    [
        "click==8.5.1",
        "click>=8.5.1 --hash=sha256:" + "a" * 64,
        "--find-links elsewhere",
        "click==8.5.1 \\\n    --hash=md5:" + "a" * 32,
        "click @ https://example.com/click.whl",
    ],
)
def test_what_would_weaken_a_lock_is_refused(line: str, tmp_path: Path) -> None:
    file = tmp_path / "some.lock"
    file.write_text(f"# how\n--only-binary :all:\n\n{PACKAGE}")
    assert [each.name for each in read_lock(file)] == ["click"]
    file.write_text(f"# how\n--only-binary :all:\n\n{PACKAGE}{line}\n")
    with pytest.raises(BadLock):
        read_lock(file)


def test_a_lock_that_lets_sources_be_built_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.lock").write_text(PACKAGE)
    with pytest.raises(BadLock, match="only-binary"):
        read_lock(tmp_path / "some.lock")
