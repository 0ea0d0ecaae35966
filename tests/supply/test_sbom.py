"""The bill of materials has what CycloneDX 1.6 asks for, and everything that is shipped."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from portal import __version__
from supply.lock import RUNTIME, read_lock
from supply.sbom import sbom
from supply.vendored import VENDORED

AT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


@pytest.fixture
def made() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(sbom(AT)))
    return read


def by_purl(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {component["purl"]: component for component in made["components"]}


def test_it_says_what_it_is_and_what_about(made: dict[str, Any]) -> None:
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.6", 1)
    assert uuid.UUID(made["serialNumber"].removeprefix("urn:uuid:")).urn == made["serialNumber"]
    assert made["metadata"]["timestamp"] == "2026-11-23T08:30:00+00:00"
    product = made["metadata"]["component"]
    assert (product["type"], product["version"]) == ("application", __version__)
    assert sbom(AT)["serialNumber"] != made["serialNumber"]


def test_every_locked_package_and_vendored_file_is_in_it_and_nothing_else(
    made: dict[str, Any],
) -> None:
    locked = read_lock(RUNTIME)
    found = by_purl(made)
    assert len(found) == len(made["components"])
    for package in locked:
        component = found.pop(f"pkg:pypi/{package.name}@{package.version}")
        assert {each["content"] for each in component["hashes"]} == set(package.sha256)
    for file in VENDORED:
        component = found.pop(file.purl)
        assert component["hashes"] == [{"alg": "SHA-256", "content": file.sha256}]
        (place,) = component["evidence"]["occurrences"]
        assert place["location"] == f"portal/static/vendor/{file.file}"
    assert found == {}


def test_each_component_has_the_parts_the_format_asks_for(made: dict[str, Any]) -> None:
    for component in made["components"]:
        assert component["type"] == "library"
        assert component["name"]
        assert component["version"]
        assert component["bom-ref"] == component["purl"]
        assert re.fullmatch(r"pkg:(pypi|npm)/(%40[a-z]+/)?[a-z0-9._-]+@[^@]+", component["purl"])
        assert component["hashes"]
        for digest in component["hashes"]:
            assert digest["alg"] == "SHA-256"
            assert re.fullmatch("[0-9a-f]{64}", digest["content"])
        (licence,) = component["licenses"]
        assert bool(licence.get("expression")) != bool(licence.get("license", {}).get("id"))


def test_everything_is_there_for_a_reason(made: dict[str, Any]) -> None:
    needs = {each["ref"]: each["dependsOn"] for each in made["dependencies"]}
    assert len(needs) == len(made["dependencies"])
    product = made["metadata"]["component"]["bom-ref"]
    assert set(needs) == {product, *by_purl(made)}
    reached, todo = set[str](), [product]
    while todo:
        reference = todo.pop()
        if reference not in reached:
            reached.add(reference)
            todo += needs[reference]
    assert reached == set(needs)
