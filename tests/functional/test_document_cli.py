"""``imgmig document``: where a number is, and the archive's list, after a real migration."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.functional.installation import SOURCE, DemoSource, Installation

pytestmark = pytest.mark.processes


def test_documents_are_listed_page_by_page_and_found(
    site: Installation, start_source: Callable[..., DemoSource]
) -> None:
    site.add_source(start_source("--documents=24", "--months=2", "--mean-size=40000"))
    site.start_up()
    batch = site.create_batch("2024-01-01", "2024-02-29")
    assert site.run("batch", "run", batch).code == 0
    site.wait_until_ended(batch)
    listing = ("document", "list", "--source", SOURCE, "--from", "2024-01-01", "--to", "2024-02-29")
    first = site.json(*listing, "--limit", "10")
    second = site.json(*listing, "--limit", "10", "--after", first["next"])
    rows = [*first["documents"], *second["documents"]]
    assert len({row["image_no"] for row in rows}) == 18 == 24 - 6
    assert second["next"] is None
    assert [row["collected_at"] for row in rows] == sorted(
        (row["collected_at"] for row in rows), reverse=True
    )
    one = rows[0]
    narrow = site.json(*listing, "--org", one["org_code"], "--type", one["bill_type_code"])
    assert one in narrow["documents"]
    assert site.json(*listing, "--org", "nothing")["documents"] == []
    (found,) = site.json("document", "show", one["image_no"])
    assert (found["place"], found["stored_by"]) == ("here", batch)
    assert len(found["files"]) == one["files"]
    assert all(file["storage_key"] for file in found["files"])
    spoken = site.run("document", "show", one["image_no"])
    assert "已归档" in spoken.out
    assert one["image_no"] in site.run(*listing).out
    refused = site.run("document", "show", "nothing")
    assert refused.code == 2
    assert "nothing" in refused.out + refused.err
