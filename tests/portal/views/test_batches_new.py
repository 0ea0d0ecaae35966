"""新增迁移批次: the form, what is said of wrong fields, and what the confirmation then makes."""

from __future__ import annotations

import pytest

from portal.models import Overlap
from portal.statuses import RunStatus
from tests.portal.views.page_rules import CHINESE
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor

FINE = {
    "date_from": "2024-01-15",
    "date_to": "2024-03-10",
    "orgs": "1001，1002; 1001",
    "types": "FYBX",
}


def confirm(operator: Visitor, fields: dict[str, str], do: str = "create") -> Page:
    """Through both steps; the page of the batch."""
    page = operator.submit(operator.get("/batches/new").form("/batches/new"), fields, status=200)
    return operator.submit(page.form("/batches/new"), {"do": do})


def test_a_new_batch_waits(scene: PageScene, operator: Visitor) -> None:
    page = confirm(operator, FINE)
    number = page.path.rsplit("/", 1)[-1]
    assert page.messages == [f"已创建批次 {number}"]
    batch = scene.batch(number)
    assert batch.run_status is RunStatus.WAITING
    assert batch.created_by == "operator"
    assert (str(batch.date_from), str(batch.date_to)) == ("2024-01-15", "2024-03-10")
    assert (batch.org_codes, batch.bill_type_codes) == (["1001", "1002"], ["FYBX"])
    assert [row[0] for row in page.rows()] == ["2024-01", "2024-02", "2024-03"]
    assert {"run", "cancel", "delete"} < page.actions


def test_a_new_batch_runs_now(scene: PageScene, operator: Visitor) -> None:
    page = confirm(operator, {**FINE, "run_now": "y"})
    number = page.path.rsplit("/", 1)[-1]
    assert scene.batch(number).run_status is RunStatus.RUNNING
    assert scene.portal.queue.waiting() == 1  # the workers were told
    assert "pause" in page.actions


def test_the_default_policy_is_chosen_and_another_can_be(
    scene: PageScene, operator: Visitor
) -> None:
    page = operator.get("/batches/new")
    boxes = [node for node in page.root.walk() if node.get("name") == "overlap"]
    assert [box.get("value") for box in boxes if "checked" in box.attributes] == ["missing"]
    assert [box.get("value") for box in boxes] == list(Overlap)
    made = confirm(operator, FINE)
    assert scene.batch(made.path.rsplit("/", 1)[-1]).overlap is Overlap.MISSING
    made = confirm(operator, {**FINE, "overlap": "all"})
    assert scene.batch(made.path.rsplit("/", 1)[-1]).overlap is Overlap.ALL
    assert "全部重查" in made.root.text
    operator.submit(page.form("/batches/new"), {**FINE, "overlap": "none"}, status=422)


WRONG = [
    ("date_from", "", "请输入开始日期"),
    ("date_to", "", "请输入结束日期"),
    ("date_from", "2024-02-30", "不是有效的日期"),
    ("date_to", "tomorrow", "不是有效的日期"),
    ("date_to", "2024-01-14", "结束日期早于开始日期"),
    ("date_to", "9999-12-31", "2999-12-31"),
    ("date_to", "2900-12-31", "600"),
    ("source", "999", "不是有效的选择"),
    ("source", "", "请选择数据源"),
    ("date_from", "0001-01-01", "1900-01-01"),
    ("orgs", "x" * 65, "代码过长"),
    ("orgs", "x" * 40001, "40000"),
    ("types", "x" * 40001, "40000"),
]


@pytest.mark.parametrize(("field", "value", "why"), WRONG)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_is_kept(
    scene: PageScene, operator: Visitor, field: str, value: str, why: str
) -> None:
    form = operator.get("/batches/new").form("/batches/new")
    typed = {**FINE, "run_now": "y", field: value}
    page = operator.submit(form, typed, status=422)
    assert [name for name in ("source", *FINE) if page.error_at(name)] == [field]
    assert why in page.error_at(field)
    assert CHINESE.search(page.error_at(field))
    assert "is-invalid" in page.field(field).get("class").split()
    assert {name: page.value(name) for name in FINE} == {name: typed[name] for name in FINE}
    assert "checked" in page.field("run_now").attributes
    assert scene.numbers() == []


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(("field", "value"), [(field, value) for field, value, _ in WRONG])
def test_what_is_wrong_is_said_in_english_too(operator: Visitor, field: str, value: str) -> None:
    operator.speak_english()
    form = operator.get("/batches/new").form("/batches/new")
    page = operator.submit(form, {**FINE, field: value}, status=422)
    assert page.error_at(field).isascii()
    assert page.error_at(field)


def test_a_source_that_was_disabled_is_not_offered_nor_taken(
    scene: PageScene, operator: Visitor
) -> None:
    form = operator.get("/batches/new").form("/batches/new")
    disabled = scene.ledger_scene.add_source("停用", enabled=False)
    page = operator.submit(form, {**FINE, "source": str(disabled)}, status=422)
    assert page.error_at("source")
    assert [option.text for option in page.field("source").all("option")] == ["影像系统"]
