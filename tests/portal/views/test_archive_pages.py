"""影像单据列表: filters, order, paging, the total, the source's count, and walking through."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from portal.errors import SyncError
from portal.models import DataSource
from portal.secret_box import SecretBox
from portal.services.source_totals import SourceTotals
from portal.sync.sources.rows import Scope
from portal.views import archive
from tests.portal.fake_source import make_document, make_file
from tests.portal.ledger_scene import stored
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

JANUARY, MARCH = datetime(2024, 1, 5, tzinfo=UTC), datetime(2024, 3, 31, 15, 30, tzinfo=UTC)
DOCUMENTS = (
    make_document(1, files=2, collected_at=JANUARY, amount=Decimal("10.10"), applicant="王芳"),
    make_document(2, org_code="2001", org_name="上海分公司", amount=Decimal("-5")),
    replace(
        make_document(3, collected_at=MARCH, resource="OA", amount=Decimal("999999.99")),
        bill_type_code="CLBX",
        bill_type_name="差旅",
        files=(make_file(3, 1, category="cover"),),
    ),
    make_document(4, image_no="fybx00004", bill_no="_%'", amount=None),
)
NUMBERS = {"FYBX00001", "FYBX00002", "FYBX00003", "fybx00004"}


@pytest.fixture
def archived(scene: PageScene) -> PageScene:
    """Four documents in the archive, and one that failed."""
    ledger = scene.ledger_scene
    broken = make_document(5, problem=SyncError("META_MISSING_FIELD", field="orgCode"))
    batch_id = ledger.add_batch("2024-01-01", "2024-03-31")
    ledger.list_all(batch_id, [*DOCUMENTS, broken])
    ledger.settle(batch_id, *map(stored, ledger.claim(batch_id)))
    return scene


def listed(page: Page) -> list[str]:
    return [row[0] for row in page.rows()]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", NUMBERS),
        ("month=2024-01", NUMBERS - {"FYBX00003"}),
        ("month=2024-03", {"FYBX00003"}),  # 23:30 in Shanghai on the last day
        ("month=nonsense&org=&least=x", NUMBERS),
        ("first=2024-01-05&last=2024-01-05", {"FYBX00001"}),
        ("first=2024-01-05", {"FYBX00001", "FYBX00003"}),
        ("month=2024-01&first=2024-02-01", set()),
        ("org=2001", {"FYBX00002"}),
        ("org=200", set()),
        ("type=CLBX", {"FYBX00003"}),
        ("resource=OA", {"FYBX00003"}),
        ("applicant=王芳", {"FYBX00001"}),
        ("image_no=FYBX0000", NUMBERS - {"fybx00004"}),
        ("bill_no=_%25", {"fybx00004"}),
        ("bill_no=FY-3", {"FYBX00003"}),
        ("least=10.10", {"FYBX00001", "FYBX00003"}),
        ("least=-5&most=10.1", {"FYBX00001", "FYBX00002"}),
        ("most=1%2C000%2C000", NUMBERS - {"fybx00004"}),
        ("category=cover", {"FYBX00003"}),
        ("category=attachment", NUMBERS - {"FYBX00003"}),
        ("category=invoice", set()),
        ("source=1", NUMBERS),
        ("source=2", set()),
        ("source=99999999999999999999", NUMBERS),
        ("org=1001&month=2024-01&least=0", {"FYBX00001"}),
        ("image_no=%00", NUMBERS),
    ],
)
def test_each_filter_lets_pass_what_it_says(
    archived: PageScene, auditor: Visitor, query: str, wanted: set[str]
) -> None:
    for sort in ("-collected_at", "image_no", "-archived_at"):
        page = auditor.get(f"/archive/?{query}&sort={sort}")
        assert set(listed(page)) == wanted
    total = auditor.get(f"/archive/totals?{query}", htmx=True).text
    assert f"共 {len(wanted)} 份" in total
    if not wanted:
        assert "没有符合条件" in page.text


def test_the_few_and_the_many_ways_find_the_same(
    archived: PageScene, auditor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = ("org=1001", "month=2024-01&org=1001", "least=0", "category=attachment", "image_no=F")
    found: dict[str, object] = {}
    for few in (20_000, 0):
        monkeypatch.setattr("portal.services.archive_filters.FEW", few)
        for query in queries:
            for sort in ("collected_at", "-amount", "image_no", "archived_at"):
                key = f"{query}&sort={sort}"
                answer = listed(auditor.get(f"/archive/?{key}"))
                assert found.setdefault(key, answer) == answer, (few, key)
            key = f"totals {query}"
            total = auditor.get(f"/archive/totals?{query}", htmx=True).root.one("strong").text
            assert found.setdefault(key, total) == total, (few, key)


@pytest.mark.parametrize(
    ("sort", "wanted"),
    [
        ("collected_at", ["FYBX00002", "fybx00004", "FYBX00001", "FYBX00003"]),
        ("-collected_at", ["FYBX00003", "FYBX00001", "fybx00004", "FYBX00002"]),
        ("amount", ["FYBX00002", "FYBX00001", "FYBX00003"]),
        ("-image_no", ["fybx00004", "FYBX00003", "FYBX00002", "FYBX00001"]),
    ],
)
def test_the_order_is_kept_from_document_to_document(
    archived: PageScene, auditor: Visitor, sort: str, wanted: list[str]
) -> None:
    page = auditor.get(f"/archive/?sort={sort}")
    assert listed(page) == wanted
    assert ("没有金额" in page.root.one("main").text) is (sort == "amount")
    (here,) = [row.one("a").get("href") for row in page.root.one("tbody").all("tr")][:1]
    walked = []
    while here:
        document = auditor.get(here)
        walked.append(document.title.split()[1])
        here = next((a.get("href") for a in document.root.all("a") if a.text == "下一份"), "")
    assert walked == wanted
    back = [a.get("href") for a in document.root.all("a") if a.text == "返回列表"]
    assert listed(auditor.get(back[0])) == wanted
    while before := next((a.get("href") for a in document.root.all("a") if a.text == "上一份"), ""):
        document = auditor.get(before)
        walked.pop()
        assert document.title.split()[1] == walked[-1]
    assert len(walked) == 1


def test_pages_of_the_list_are_turned_in_both_directions(
    scene: PageScene, auditor: Visitor
) -> None:
    ledger = scene.ledger_scene
    many = [make_document(n, amount=Decimal(n % 7)) for n in range(45)]
    batch_id = ledger.listed_batch(many)
    ledger.settle(batch_id, *map(stored, ledger.claim(batch_id)))
    for sort in ("-collected_at", "amount", "image_no", "-archived_at"):
        page = auditor.get(f"/archive/?size=20&sort={sort}")
        seen = [listed(page)]
        while onward := [a.get("href") for a in page.root.all("a") if a.get("rel") == "next"]:
            page = auditor.get(onward[0])
            seen.append(listed(page))
        assert [len(rows) for rows in seen] == [20, 20, 5]
        assert len({number for rows in seen for number in rows}) == 45
        (back,) = [a.get("href") for a in page.root.all("a") if a.get("rel") == "prev"]
        assert listed(auditor.get(back)) == seen[1]


@pytest.mark.parametrize("mark", ["1~2024-01-01T00:00:00", "1~x", "~", "1~", "9" * 30 + "~1"])
def test_a_broken_mark_counts_as_none(archived: PageScene, auditor: Visitor, mark: str) -> None:
    assert set(listed(auditor.get(f"/archive/?after={mark}"))) == NUMBERS


def test_what_is_chosen_from_is_what_there_is(archived: PageScene, auditor: Visitor) -> None:
    page = auditor.get("/archive/?org=2001")
    options = {
        name: [option.text for option in page.field(name).all("option")][1:]
        for name in ("org", "type", "resource", "source")
    }
    assert options["org"] == ["深圳总部 1001", "上海分公司 2001"]
    assert options["type"] == ["差旅 CLBX", "费用报销单 FYBX"]
    assert options["resource"] == ["EAS", "OA"]
    assert page.value("org") == "2001"


def test_the_total_adds_up_everything_once(archived: PageScene, auditor: Visitor) -> None:
    page = auditor.get("/archive/totals")
    assert "共 4 份，5 个文件，500 B，金额合计 1,000,005.09" in page.text
    assert "1 份没有金额" in page.text
    auditor.speak_english()
    assert "4 documents, 5 files" in auditor.get("/archive/totals", htmx=True).text


def test_an_empty_archive_says_what_to_do(scene: PageScene, operator: Visitor) -> None:
    page = operator.get("/archive/")
    assert "归档中还没有单据" in page.root.one(class_="empty").text
    assert "共 0 份" in operator.get("/archive/totals").text


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> list[Scope]:
    """A source that counts five documents, or refuses, by the organisation asked for."""
    asked: list[Scope] = []

    def count(source: DataSource, box: SecretBox, home: Path, scope: Scope) -> SourceTotals:
        asked.append(scope)
        if scope.org_codes == ("down",):
            raise SyncError("SRC_TIMEOUT")
        return SourceTotals(5, 5, 400, None)

    monkeypatch.setattr(archive, "count_at_source", count)
    return asked


def test_the_sources_count_stands_beside_ours(
    archived: PageScene, auditor: Visitor, counting: list[Scope]
) -> None:
    query = "first=2024-01-01&last=2024-03-31"
    total = auditor.get(f"/archive/totals?{query}", htmx=True)
    (link,) = [a for a in total.root.all("a") if a.text == "与源端核对"]
    part = auditor.get(link.get("href"), htmx=True)
    assert [row[1:] for row in part.rows()] == [
        ["4", "5", "−1"],
        ["5", "5", "0 ✓"],
        ["500 B", "400 B", "+100 B"],
        ["1,000,005.09", "—", "—"],
    ]
    assert "还有 1 份单据已列出但没有归档" in part.text
    (scope,) = counting
    assert scope.starts_at == datetime(2023, 12, 31, 16, tzinfo=UTC)
    assert scope.ends_at == datetime(2024, 3, 31, 16, tzinfo=UTC)
    whole = auditor.get(link.get("href"))  # without JavaScript it is a page
    assert whole.title.startswith("与源端核对")


def test_a_source_that_does_not_answer_is_told_with_what_to_do(
    archived: PageScene, auditor: Visitor, counting: list[Scope]
) -> None:
    part = auditor.get("/archive/source?month=2024-01&org=down", htmx=True)
    alert = part.root.one(role="alert").text
    assert "处理措施" in alert
    auditor.speak_english()
    auditor.get("/archive/source?month=2024-01&org=down", htmx=True)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "请先按月份或起止日期筛选"),
        ("first=2024-01-01", "请先按月份或起止日期筛选"),
        ("month=2024-01&applicant=x", "源端只能按"),
        ("first=2024-02-01&last=2024-01-01", "日期范围为空"),
    ],
)
def test_what_the_source_cannot_count_is_not_asked(
    archived: PageScene, auditor: Visitor, counting: list[Scope], query: str, why: str
) -> None:
    assert why in auditor.get(f"/archive/totals?{query}", htmx=True).text
    assert why in auditor.get(f"/archive/source?{query}", htmx=True).text
    assert counting == []
