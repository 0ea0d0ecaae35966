from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from portal.sync.sources import profile_page
from portal.sync.sources.profile import ConnectorProfile

DOCS = Path(profile_page.__file__).parents[3] / "docs" / "zh"


def entries(owner: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    for one in fields(owner):
        value = getattr(owner, one.name)
        yield where + one.name, one.metadata.get("zh", "")
        if is_dataclass(value):
            yield from entries(value, f"{one.name}.")


def test_page_is_current() -> None:
    page = (DOCS / "连接配置.md").read_text("utf-8")
    message = "run: python -m portal.sync.sources.profile_page > docs/zh/连接配置.md"
    assert page == profile_page.markdown_page(), message


def test_every_entry_is_explained() -> None:
    found = dict(entries(ConnectorProfile()))
    assert len(found) > 60
    assert [name for name, text in found.items() if text.isascii()] == []


def test_the_example_differs_in_every_name_there_is() -> None:
    """So that whoever migrates by it shows that no name is hard-wired."""
    example = ConnectorProfile.from_mapping(json.loads((DOCS / "连接配置示例.json").read_text()))
    contract = ConnectorProfile()
    unused = {"page.page_no", "request.page_no"}  # of the other way of paging
    same = {
        f"{table.name}.{one.name}"
        for table in fields(contract)
        if is_dataclass(getattr(contract, table.name))
        for one in fields(getattr(contract, table.name))
        if getattr(getattr(example, table.name), one.name)
        == getattr(getattr(contract, table.name), one.name)
    }
    single = {one.name for one in fields(contract)}
    same |= {name for name in single if getattr(example, name) == getattr(contract, name)}
    assert same == unused
