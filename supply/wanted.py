"""What the lock files are made from: the bounds of ``setup.cfg`` and ``pyproject.toml``.

``python -m supply.wanted runtime`` (or ``build``) prints them, one requirement a line.
"""

from __future__ import annotations

import re
import sys
import tomllib
from configparser import ConfigParser

from supply.lock import ROOT, canonical


def runtime() -> list[str]:
    """What the product needs to run, as requirements (PEP 508)."""
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser["options"]["install_requires"].split("\n")[1:]


def build() -> list[str]:
    """What its wheel is built by, as requirements (PEP 508)."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted: list[str] = tomllib.load(file)["build-system"]["requires"]
    return wanted


def name_of(requirement: str) -> str:
    """The package that a requirement is about, as a lock writes it."""
    return canonical(re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0])


if __name__ == "__main__":
    sys.stdout.writelines(
        f"{line}\n" for line in {"runtime": runtime, "build": build}[sys.argv[1]]()
    )
