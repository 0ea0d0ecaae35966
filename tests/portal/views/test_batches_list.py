"""迁移批次: the list, and what is done with the ticked ones."""

from __future__ import annotations

from portal.statuses import RunStatus
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Page, Visitor


def listed(page: Page) -> list[str]:
    """The batch numbers on the list, in its order."""
    return [row[1] for row in page.rows()]


def test_the_list_counts_and_names_the_states(scene: PageScene, operator: Visitor) -> None:
    ended, running, waiting = (
        scene.ended("FILE_CORRUPT", synced=2),
        scene.running(),
        scene.waiting(),
    )
    rows = {row[1]: row[6:12] for row in operator.get("/batches/").rows()}
    assert list(rows) == [waiting, running, ended]
    assert rows[ended] == ["部分同步完成", "已结束", "3", "2", "1", "1"]
    assert rows[running][:2] == ["部分同步完成", "运行中"]
    assert rows[waiting] == ["待同步", "待运行 立即运行", "0", "0", "0", "0"]


def test_the_list_comes_page_by_page(scene: PageScene, operator: Visitor) -> None:
    numbers = [scene.waiting() for _ in range(21)][::-1]
    first = operator.get("/batches/?size=20&run=waiting")
    assert listed(first) == numbers[:20]
    (older,) = [link for link in first.links if "after=" in link]
    second = operator.get(older)
    assert listed(second) == numbers[20:]
    assert second.value("run") == "waiting"
    (newer,) = [link for link in second.links if "before=" in link]
    assert listed(operator.get(newer)) == numbers[:20]
    beyond = operator.get("/batches/?after=1")
    assert "没有更早的批次" in beyond.text
    assert "/batches/" in beyond.links


def test_an_empty_list_says_what_to_do(operator: Visitor, auditor: Visitor) -> None:
    assert "/batches/new" in operator.get("/batches/").links
    assert "/batches/new" not in auditor.get("/batches/").links


def test_ticked_batches_are_retried_and_the_others_named(
    scene: PageScene, operator: Visitor
) -> None:
    good = [scene.ended("FILE_CORRUPT"), scene.ended("FILE_CORRUPT")]
    bad = [scene.ended(), scene.waiting()]
    form = operator.get("/batches/").form("/selected")
    page = operator.submit(form, {"action": "retry", "batch_no": [*good, *bad]})
    assert page.path.rstrip("?") == "/batches/"
    assert page.messages[-1] == "已开始重新同步 2 个批次"
    assert [number for number in bad if any(number in said for said in page.messages)] == bad
    assert [scene.batch(number).run_status for number in good] == [RunStatus.RUNNING] * 2
    assert [scene.batch(number).run_no for number in bad] == [1, 0]


def test_ticked_batches_are_deleted_but_not_what_runs(scene: PageScene, operator: Visitor) -> None:
    ended, running, waiting = scene.ended("FILE_CORRUPT"), scene.running(), scene.waiting()
    form = operator.get("/batches/").form("/selected")
    page = operator.submit(form, {"action": "delete", "batch_no": [ended, running, waiting]})
    assert [row[1] for row in page.rows()] == [running]
    refused, done = page.messages
    assert running in refused
    assert done == "已删除 2 个批次"


def test_what_is_refused_is_named_with_its_reason(scene: PageScene, operator: Visitor) -> None:
    clean, waiting = scene.ended(), scene.waiting()
    cancelled, running = scene.cancelled(), scene.running()
    form = operator.get("/batches/").form("/selected")
    numbers = [clean, waiting, cancelled, running]
    page = operator.submit(form, {"action": "retry", "batch_no": numbers})
    assert page.messages == [
        f"未处理 1 个批次：没有失败的单据。 {clean}",
        f"未处理 2 个批次：尚未结束。 {waiting} {running}",
        f"未处理 1 个批次：已取消。 {cancelled}",
    ]
    operator.speak_english()
    page = operator.submit(form, {"action": "delete", "batch_no": [running]})
    assert page.messages == [f"Left alone: 1 (is running and cannot be deleted). {running}"]


def test_all_that_the_filters_let_through_can_be_chosen(
    scene: PageScene, operator: Visitor
) -> None:
    broken = [scene.ended("FILE_CORRUPT") for _ in range(21)]
    left = [scene.ended(), scene.running()]
    page = operator.get("/batches/?overview=failed&size=20")
    form = page.form("/selected")
    assert "全部符合筛选条件的 21 个" in form.text
    late = scene.cancelled()  # nobody has seen it when all are chosen
    done = operator.submit(form, {"action": "delete", "all": "1"})
    assert done.messages == ["已删除 21 个批次"]
    assert listed(done) == [late]
    assert set(scene.numbers()) == {late, *left}
    assert not set(broken) & set(scene.numbers())


def test_one_page_is_chosen_by_its_ticks_alone(scene: PageScene, operator: Visitor) -> None:
    scene.ended("FILE_CORRUPT")
    assert "全部符合" not in operator.get("/batches/").text


def test_what_was_done_leads_back_to_the_same_list(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended("FILE_CORRUPT")
    page = operator.get("/batches/?overview=failed&sort=total&size=20")
    form = page.form("/selected")
    again = operator.submit(form, {"action": "retry", "batch_no": number})
    assert again.path == "/batches/?overview=failed&sort=total&size=20"
    assert "没有符合筛选条件的批次" in again.text  # it is running now
    twice = operator.submit(form, {"action": "retry", "batch_no": number})
    assert twice.messages == [f"未处理 1 个批次：尚未结束。 {number}"]
    assert scene.batch(number).run_no == 2


def test_a_page_full_of_refusals_names_every_one(scene: PageScene, operator: Visitor) -> None:
    numbers = [scene.waiting() for _ in range(200)]
    form = operator.get("/batches/?size=200").form("/selected")
    page = operator.submit(form, {"action": "retry", "batch_no": numbers})
    (said,) = page.messages
    assert said.endswith(" ".join(numbers))


def test_nothing_ticked_and_nonsense(scene: PageScene, operator: Visitor) -> None:
    number = scene.ended()
    form = operator.get("/batches/").form("/selected")
    assert operator.submit(form, {"action": "delete"}).messages == ["请先勾选批次"]
    operator.submit(form, {"action": "cancel", "batch_no": number}, status=400)
    operator.submit(form, status=400)


def test_what_somebody_else_deleted_meanwhile_stops_nothing(
    scene: PageScene, operator: Visitor
) -> None:
    number = scene.ended()
    form = operator.get("/batches/").form("/selected")
    page = operator.submit(form, {"action": "delete", "batch_no": ["MB20200101-0001", number]})
    refused, done = page.messages
    assert "MB20200101-0001" in refused
    assert done == "已删除 1 个批次"
    assert scene.numbers() == []
