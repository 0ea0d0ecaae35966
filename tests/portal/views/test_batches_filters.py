"""迁移批次: the filters, tabs and orders of the list, as they stand in the address."""

from __future__ import annotations

import pytest

from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor


def listed(page: Page) -> list[str]:
    return [row[1] for row in page.rows()]


def test_the_overview_words_count_and_choose(scene: PageScene, operator: Visitor) -> None:
    of = {
        "succeeded": [scene.ended()],
        "failed": [scene.ended("FILE_CORRUPT"), scene.cancelled()],
        "running": [scene.running()],
        "waiting": [scene.waiting(), scene.paused()],
    }
    page = operator.get("/batches/?first=2024-01-31")
    tabs = page.root.one("nav", **{"aria-label": "迁移状态"}).all("a")
    assert [tab.text for tab in tabs] == ["全部 6", "待运行 2", "进行中 1", "成功 1", "失败 2"]
    for word, numbers in of.items():
        chosen = operator.get(f"/batches/?first=2024-01-31&overview={word}")
        assert listed(chosen) == numbers[::-1]
        assert chosen.value("first") == "2024-01-31"
        assert chosen.field("overview").get("value") == word
        here = chosen.root.one("nav", **{"aria-label": "迁移状态"}).one("a", class_="here")
        assert operator.get(here.get("href")).rows() == chosen.rows()
        assert [tab.text for tab in tabs] == [
            tab.text for tab in chosen.root.one("nav", **{"aria-label": "迁移状态"}).all("a")
        ]


def test_filters_are_in_the_address_and_in_the_fields(scene: PageScene, operator: Visitor) -> None:
    wanted, other = scene.ended("FILE_CORRUPT"), scene.waiting()
    asked = {"number": wanted[-4:], "sync": "partial", "run": "ended", "source": "1", "org": "1001"}
    asked |= {"type": "FYBX", "first": "2024-01-31", "last": "2024-01-31", "creator": "周"}
    asked |= {"created_first": "2020-01-01", "created_last": "2099-01-01"}
    page = operator.search(operator.get("/batches/").form("/batches/"), asked)
    assert listed(page) == [wanted]
    assert {name: page.value(name) for name in asked} == asked
    assert operator.get(page.path).rows() == page.rows()
    assert listed(operator.get("/batches/?sync=pending")) == [other]
    nothing = operator.get("/batches/?created_last=2020-01-01")
    assert "没有符合筛选条件的批次" in nothing.text
    assert "/batches/" in nothing.links


@pytest.mark.parametrize(
    "query", ["sync=x&run=y&overview=z", "source=abc", "first=x&last=0001-01-01", "sort=x&size=y"]
)
def test_nonsense_in_the_address_is_passed_over(
    scene: PageScene, operator: Visitor, query: str
) -> None:
    number = scene.waiting()
    assert listed(operator.get(f"/batches/?{query}")) == [number]


def test_every_sortable_column_sorts_both_ways(scene: PageScene, operator: Visitor) -> None:
    numbers = [scene.ended("FILE_CORRUPT", synced=2), scene.waiting(), scene.ended(synced=3)]
    page = operator.get("/batches/")
    heads = {head.text: head.one("a").get("href") for head in page.root.all("th") if head.all("a")}
    assert list(heads) == [
        *("批次号 ▼", "采集范围.开始", "采集范围.结束", "总单据数", "已同步单据数"),
        *("未同步单据数", "失败", "创建时间"),
    ]
    for head, link in heads.items():
        up = operator.get(link)
        down = operator.get(link.replace("sort=", "sort=-"))
        assert listed(up) == listed(down)[::-1], head
        assert sorted(listed(up)) == sorted(numbers)
    assert listed(operator.get("/batches/?sort=-done"))[0] == numbers[2]
    assert listed(operator.get("/batches/?sort=failed"))[-1] == numbers[0]
