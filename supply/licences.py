"""Under which licences what we install is, as a page: ``make licences``.

Refuses what is under the GPL or AGPL, and what does not clearly say under what it is.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from supply.lock import ROOT, RUNTIME, Locked, canonical, read_lock
from supply.vendored import VENDORED

PAGE = ROOT / "docs" / "licences.md"

# SPDX identifiers. LGPL only because Python loads such packages as files of their own, which
# anybody can replace.
ACCEPTED = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "LGPL-2.1-only",
    "LGPL-3.0-only",
    "MIT",
    "MIT-0",
    "MIT-CMU",
    "MPL-2.0",
    "PSF-2.0",
}
# What packages write that give no SPDX expression, in the field or the classifier.
_WORDS = {
    "Apache 2": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD-3-Clause, Apache-2.0, dependency licenses": "Apache-2.0 AND BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Licence texts that a person has read, by their SHA-256: of packages that only say "BSD", or
# nothing. A text that changes has to be read again.
_READ = {
    "a4b2c19135a1e6a43b661f5d817e28dc3f28b621ff969d870e47eb98adcd3250": "MIT",  # huey
    "489a8e1108509ed98a37bb983e11e0f7e1d31f0bd8f99a79c8448e7ff37d07ea": "BSD-3-Clause",
    "d5f19036451578cb36eeef04c99ebf7d7ca2e70dcf043636519bc420e15a7c62": "BSD-3-Clause",
    "63af09891b6be8ad1a4252ed43af0f4efba7fc948e228367bed7f3c5ae0b09d7": "BSD-3-Clause",
    "3b49dcee4105eb37bac10faf1be260408fe85d252b8e9df2e0979fc1e094437b": "BSD-3-Clause",
    "cf40d60ff34f6b2b68a53d220f8b66567b5ac8dd1119b37b62fd15e9518fe59b": "BSD-3-Clause",
}
_HEAD = """# Licences

Written by `make licences`; do not edit. What a deployment installs (`deploy/requirements.lock`)
and what the browser is given (`portal/static/vendor`), under the licences they state, as SPDX
expressions. Nothing is under the GPL or AGPL.

Wheels with native code also carry the libraries they are built with (OpenSSL, libpq, libcurl,
PDFium, image codecs). Their licences and, in some, their own SBOMs lie in the `*.dist-info`
folders once installed; this page and our SBOM do not list them.
"""


class RefusedLicence(Exception):
    """A package is under a licence we do not ship, or does not say which."""


def page(locked: Iterable[Locked], folder: Path) -> str:
    """The page; ``folder`` holds the installed packages, all of them.

    :raises RefusedLicence: naming every package that may not be shipped as it is, and why
    """
    found = {canonical(each.name): each for each in distributions(path=[str(folder)])}
    rows, refused = [], []
    for package in locked:
        try:
            expression = acceptable(_installed(package, found))
        except RefusedLicence as error:
            refused.append(f"{package.name} {package.version}: {error}")
        else:
            rows.append(f"| {package.name} | {package.version} | {expression} |")
    if refused:
        raise RefusedLicence("\n".join(refused))
    files = [
        f"| {each.file} | {each.package} | {each.version} | {acceptable(each.licence)} "
        f"| `{each.sha256}` |"
        for each in VENDORED
    ]
    return "\n".join(
        [
            _HEAD,
            "## Python packages\n\n| package | version | licence |\n|---|---|---|",
            *rows,
            "\n## Files of the browser\n",
            "| file | npm package | version | licence | SHA-256 |\n|---|---|---|---|---|",
            *files,
            "",
        ]
    )


def recorded() -> dict[tuple[str, str], str]:
    """From the page: by name and version of a Python package, its licence."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    return {(name, version): licence for name, version, licence in rows if name != "package"}


def licence_of(package: Distribution) -> str:
    """The SPDX expression a package states, or what it says where that is none we know."""
    stated = package.metadata.get_all("License-Expression")
    if stated:
        return str(stated[0])
    for text in _texts(package):
        if text in _READ:
            return _READ[text]
    field = "".join(package.metadata.get_all("License") or []).strip()
    classifiers = package.metadata.get_all("Classifier") or []
    said: list[str] = [
        line.split(" :: ")[-1] for line in classifiers if line.startswith("License :: ")
    ]
    for words in (field, *said):
        if words in ACCEPTED or words in _WORDS:
            return _WORDS.get(words, words)
    return " / ".join(filter(None, (field.partition("\n")[0], *said)))


def acceptable(expression: str) -> str:
    """The expression again.

    :raises RefusedLicence: when no way to read it has us keep to accepted licences alone
    """
    if not expression:
        raise RefusedLicence("no licence is stated")
    # "A OR B" leaves the choice, "A AND B" does not; AND binds closer. Brackets we do not know.
    ways = [set(way.split(" AND ")) for way in expression.split(" OR ")]
    if not any(way <= ACCEPTED for way in ways):
        raise RefusedLicence(f"licence {expression!r} is not accepted")
    return expression


def _installed(package: Locked, found: dict[str, Distribution]) -> str:
    there = found.get(package.name)
    if there is None or there.version != package.version:
        raise RefusedLicence("not installed in this version")
    return licence_of(there)


def _texts(package: Distribution) -> Iterable[str]:
    for file in package.files or []:
        if ".dist-info" in file.parts[0] and re.match("licen[cs]e|copying", file.name.lower()):
            yield hashlib.sha256(Path(str(file.locate())).read_bytes()).hexdigest()


def main() -> None:
    """Write the page from the folder that the command line names."""
    try:
        text = page(read_lock(RUNTIME), Path(sys.argv[1]))
    except RefusedLicence as error:
        sys.exit(str(error))
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
