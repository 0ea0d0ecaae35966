"""The lock files of ``deploy/``, as ``make lock`` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "deploy" / "requirements.lock"
BUILD = ROOT / "deploy" / "build.lock"
# Said once in each file: nothing is built on the way from sources, whose tools no lock names.
WHEELS_ONLY = "--only-binary :all:"

_PINNED = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>.+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class BadLock(Exception):
    """A lock file has a line that does not belong there, or a package without hashes."""


@dataclass(frozen=True)
class Locked:
    """One package of a lock: exactly this version, and only files with one of these digests."""

    name: str
    """As package indexes compare names: lower case, with hyphens."""
    version: str
    marker: str
    """Where it is needed (PEP 508); empty: everywhere."""
    sha256: tuple[str, ...]
    """Of the version's files for every platform, in hexadecimal digits."""
    wanted_by: frozenset[str]
    """Names of the locked packages that require it; the product itself is not among them."""


def read_lock(file: Path) -> list[Locked]:
    """The packages of a lock file, in its order.

    :raises BadLock: naming the line: of another form, an index's address, without a hash
    """
    text = file.read_text()
    if WHEELS_ONLY not in text.splitlines():
        raise BadLock(f"{file.name}: {WHEELS_ONLY} is missing")
    body = re.sub(r"\A(?:#.*\n)+", "", text).replace(WHEELS_ONLY, "", 1)
    # A package begins at the margin; what belongs to it is indented.
    return [_package(block) for block in re.split(r"\n(?=\S)", body.strip("\n"))]


def _package(block: str) -> Locked:
    first, *rest = [line.strip() for line in block.splitlines()]
    pinned = _PINNED.fullmatch(first.removesuffix("\\").rstrip())
    if pinned is None:
        raise BadLock(first)
    hashes: list[str] = []
    wanted_by: set[str] = set()
    for line in rest:
        found = _HASH.fullmatch(line.removesuffix("\\").rstrip())
        if found:
            hashes.append(found[1])
        elif line.startswith("#"):
            wanted_by |= _wanting(line)
        else:
            raise BadLock(f"{first}: {line}")
    if not hashes:
        raise BadLock(f"{first}: no hash")
    return Locked(
        pinned["name"],
        pinned["version"],
        pinned["marker"] or "",
        tuple(hashes),
        frozenset(wanted_by),
    )


def _wanting(comment: str) -> set[str]:
    """``# via flask`` and the lines below a bare ``# via``, each with one name."""
    who = comment.removeprefix("#").strip().removeprefix("via").strip()
    return {who} if who else set()


def canonical(name: str) -> str:
    """A package's name as a lock writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
