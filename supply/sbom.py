"""What an installation consists of, in CycloneDX 1.6: ``make sbom``."""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portal import __version__
from supply.licences import recorded
from supply.lock import ROOT, RUNTIME, Locked, read_lock
from supply.vendored import FOLDER, VENDORED, Vendored
from supply.wanted import name_of, runtime

PRODUCT = "imaging-migration-portal"
_PLACE = FOLDER.relative_to(ROOT).as_posix()


def sbom(at: datetime) -> dict[str, Any]:
    """The product, the packages a deployment installs, and the files the browser is given.

    Licences are those of ``docs/licences.md``. A package's hashes are those of all its files, of
    which an installation takes the one for its platform.

    :param at: aware; when it is made
    :raises KeyError: when that page does not know a locked package in its version
    """
    locked = read_lock(RUNTIME)
    licences = recorded()
    direct = set(map(name_of, runtime()))
    product = f"pkg:pypi/{PRODUCT}@{__version__}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid4().urn,
        "version": 1,
        "metadata": {
            "timestamp": at.astimezone(UTC).isoformat(timespec="seconds"),
            "component": {
                "type": "application",
                "bom-ref": product,
                "name": PRODUCT,
                "version": __version__,
                "purl": product,
            },
        },
        "components": [
            *(_package(each, licences[each.name, each.version]) for each in locked),
            *(_file(each) for each in VENDORED),
        ],
        "dependencies": [
            {
                "ref": product,
                "dependsOn": [
                    *(_purl(each) for each in locked if each.name in direct),
                    *(each.purl for each in VENDORED),
                ],
            },
            *(
                {
                    "ref": _purl(each),
                    "dependsOn": [_purl(other) for other in locked if each.name in other.wanted_by],
                }
                for each in locked
            ),
            *({"ref": each.purl, "dependsOn": []} for each in VENDORED),
        ],
    }


def _package(package: Locked, licence: str) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.version,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in package.sha256],
        "licenses": _licences(licence),
        "purl": _purl(package),
    }
    if package.marker:
        component["properties"] = [{"name": "python:marker", "value": package.marker}]
    return component


def _file(vendored: Vendored) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": vendored.purl,
        "name": vendored.package,
        "version": vendored.version,
        "hashes": [{"alg": "SHA-256", "content": vendored.sha256}],
        "licenses": _licences(vendored.licence),
        "purl": vendored.purl,
        "evidence": {"occurrences": [{"location": f"{_PLACE}/{vendored.file}"}]},
    }


def _licences(expression: str) -> list[dict[str, Any]]:
    """One identifier or an expression, which the format keeps apart."""
    if " " in expression:
        return [{"expression": expression}]
    return [{"license": {"id": expression}}]


def _purl(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.version}"


def main() -> None:
    """Write it to the file that the command line names."""
    text = json.dumps(sbom(datetime.now(UTC)), ensure_ascii=False, indent=2)
    Path(sys.argv[1]).write_text(text + "\n")


if __name__ == "__main__":
    main()
