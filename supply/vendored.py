"""The browser's files that are kept in the sources as others published them."""

from __future__ import annotations

from dataclasses import dataclass

from supply.lock import ROOT

FOLDER = ROOT / "portal" / "static" / "vendor"


@dataclass(frozen=True)
class Vendored:
    """One file below ``portal/static/vendor``; tests compare it with its digest."""

    file: str
    package: str
    """Its name in the npm registry."""
    version: str
    licence: str
    """An SPDX expression."""
    sha256: str
    """Of the file as it lies here, in hexadecimal digits."""

    @property
    def purl(self) -> str:
        """The package it was taken from, as SBOMs name it."""
        return f"pkg:npm/{self.package.replace('@', '%40')}@{self.version}"


VENDORED = (
    Vendored(
        file="htmx-2.0.11.min.js",
        package="htmx.org",
        version="2.0.11",
        licence="0BSD",
        sha256="7eda0ca48e7a3427198afeb22fa9f9f75539b336057533d86090e1b9028ee2b3",
    ),
    Vendored(
        file="tabler-1.6.1.min.css",
        package="@tabler/core",
        version="1.6.1",
        licence="MIT",
        sha256="09c0ad77d135f90fd8cbc583824b2fdbd247adbc001234d27a36f284bfecab5e",
    ),
)
