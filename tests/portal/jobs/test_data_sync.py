from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from threading import Thread
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from executor import Executor
from executor.models import ExecutorRun
from executor.statuses import RunStatus as JobStatus
from portal.errors import SyncError
from portal.jobs import Following
from portal.models import Batch, DataSource, Overlap, PushTarget, utc_now
from portal.runtime import Portal
from portal.services import batches, preflights
from portal.services.source_check import Finding
from portal.statuses import ListingStatus, RunStatus
from tests.portal.blocking import wait_until_blocked
from tests.portal.fake_source import FakeSource, make_document
from tests.portal.jobs.job_rig import JobRig
from tests.portal.ledger_scene import BY, SHANGHAI, Scene, failed, stored

T = TypeVar("T")

CREATE = {"source": "影像系统", "from": "2024-01-01", "to": "2024-01-31"}
NOTHING = "没有待运行的批次 no batch is waiting"


@pytest.fixture
def scene(rig: JobRig) -> Scene:
    return rig.scene


def waiting(scene: Scene, last: str = "2024-01-31") -> int:
    return scene.add_batch(last=last, start=False)


def move_all(scene: Scene, batch_id: int, numbers: range = range(2)) -> None:
    """What the workers do to a running batch."""
    scene.list_all(batch_id, [make_document(number) for number in numbers])
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))


def ended_with_failure(scene: Scene) -> int:
    batch_id = scene.listed_batch([make_document(0)])
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(claim, "FILE_CORRUPT", detail="截断"))
    return batch_id


def number_of_batches(rig: JobRig) -> int:
    with rig.portal.ledger.read() as session:
        return session.scalar(select(func.count()).select_from(Batch)) or 0


# What a trigger picks.


def test_a_failing_preflight_is_told_in_the_log_and_stops_no_job(rig: JobRig, scene: Scene) -> None:
    waiting(scene)
    found = Finding("reach", "failed", "连不上", "no way", code="SRC_TLS")
    with rig.portal.ledger.write() as session:
        source = session.get_one(DataSource, scene.source_id)
        days = (date(2024, 1, 1), date(2024, 1, 31))
        now = utc_now()
        preflight = preflights.begin(session, source, days=days, hosts=["h"], by=BY, now=now)
        preflights.record(session, preflight.id, "h", [found], by=BY, now=now)
    rig.run(1)
    assert rig.status(1) is JobStatus.DEFERRED
    assert "SRC_TLS" in rig.log(1)


def test_nothing_to_do_ends_200_at_once(rig: JobRig) -> None:
    rig.run(1)
    assert rig.result(1) == (200, NOTHING)


def test_an_empty_parameter_takes_all_that_wait_and_passes_over_the_paused(
    rig: JobRig, scene: Scene
) -> None:
    first, second, paused = (waiting(scene) for _ in range(3))
    running, ended = scene.add_batch(), scene.listed_batch([])
    scene.do(batches.pause, paused)
    rig.run(1)
    assert rig.followed(1) == [first, second]
    assert {scene.batch(one).run_status for one in (first, second)} == {RunStatus.RUNNING}
    assert rig.status(1) is JobStatus.DEFERRED
    assert f"跳过 {scene.batch(paused).batch_no}：已被 {BY} 暂停" in rig.log(1)
    assert scene.batch(paused).run_status is RunStatus.WAITING
    assert not {running, ended} & set(rig.followed(1))


def test_a_trigger_tells_the_queue(rig: JobRig, scene: Scene) -> None:
    waiting(scene)
    before = rig.portal.queue.waiting() or 0
    rig.run(1)
    # The run's own message is still there too: this test is the worker.
    assert (rig.portal.queue.waiting() or 0) > before


def test_a_named_batch_is_taken_alone(rig: JobRig, scene: Scene) -> None:
    _, named = waiting(scene), waiting(scene)
    rig.run(1, {"batch": scene.batch(named).batch_no})
    assert rig.followed(1) == [named]


def test_a_named_batch_that_is_paused_fails_with_who(rig: JobRig, scene: Scene) -> None:
    paused = waiting(scene)
    scene.do(batches.pause, paused)
    rig.run(1, {"batch": scene.batch(paused).batch_no})
    code, message = rig.result(1)
    assert code == 500
    assert f"已被 {BY} 暂停" in message
    assert message in rig.log(1)


def test_a_named_batch_that_ended_with_failures_fails_unless_it_is_to_be_tried_again(
    rig: JobRig, scene: Scene
) -> None:
    ended = ended_with_failure(scene)
    named = {"batch": scene.batch(ended).batch_no}
    rig.run(1, named)
    code, message = rig.result(1)
    assert code == 500
    assert "retry_failed" in message
    assert scene.batch(ended).run_status is RunStatus.ENDED
    rig.run(2, {**named, "retry_failed": True})
    assert rig.followed(2) == [ended]


def test_a_named_batch_that_is_complete_says_so(rig: JobRig, scene: Scene) -> None:
    batch_no = scene.batch(scene.listed_batch([])).batch_no
    for log_id, again in enumerate((False, True), start=1):
        rig.run(log_id, {"batch": batch_no, "retry_failed": again})
        assert rig.result(log_id) == (200, f"批次 {batch_no} 已全部同步完成 is complete already")


def test_an_unknown_batch_fails_with_its_name(rig: JobRig) -> None:
    rig.run(1, {"batch": "MB20240101-0404"})
    code, message = rig.result(1)
    assert code == 500
    assert "没有批次 MB20240101-0404" in message


def test_a_wrong_parameter_fails_with_the_form(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1, '{"wiat": true}')
    code, message = rig.result(1)
    assert code == 500
    assert "'wiat'" in message
    assert '"retry_failed": true' in message
    assert scene.batch(batch_id).run_status is RunStatus.WAITING


def test_not_waiting_ends_as_soon_as_the_batches_are_queued(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1, {"wait": False})
    batch = scene.batch(batch_id)
    assert rig.result(1) == (200, f"已排队 queued: {batch.batch_no}")
    assert batch.run_status is RunStatus.RUNNING


# Creating.


def test_create_makes_a_batch_and_runs_it(rig: JobRig, scene: Scene) -> None:
    other = waiting(scene, last="2024-02-29")
    rig.run(1, {"create": {**CREATE, "org": ["1001"]}})
    (batch_id,) = rig.followed(1)
    batch = scene.batch(batch_id)
    assert (batch.created_by, batch.org_codes, batch.run_status) == (
        "xxl-job", ["1001"], RunStatus.RUNNING,
    )  # fmt: skip
    assert scene.batch(other).run_status is RunStatus.WAITING


def test_create_again_joins_the_unfinished_batch(rig: JobRig, scene: Scene) -> None:
    rig.run(1, {"create": CREATE})
    rig.run(2, {"create": CREATE}, jobId=8)
    assert rig.followed(1) == rig.followed(2)
    assert "沿用未结束的批次" in rig.log(2)
    assert number_of_batches(rig) == 1
    (batch_id,) = rig.followed(1)
    move_all(scene, batch_id)
    rig.follow()
    assert rig.result(1)[0] == rig.result(2)[0] == 200
    rig.run(3, {"create": CREATE})
    assert number_of_batches(rig) == 2


def test_create_joins_no_batch_of_another_policy(rig: JobRig, scene: Scene) -> None:
    rig.run(1, {"create": CREATE})
    rig.run(2, {"create": {**CREATE, "overlap": "all"}}, jobId=8)
    rig.run(3, {"create": {**CREATE, "overlap": "missing"}}, jobId=9)
    assert rig.followed(1) == rig.followed(3) != rig.followed(2)
    (batch_id,) = rig.followed(2)
    assert scene.batch(batch_id).overlap is Overlap.ALL


def test_create_pushes_on_to_the_target_it_names(rig: JobRig, scene: Scene) -> None:
    with scene.ledger.write() as session:
        target = PushTarget(
            name="旗舰版", base_url="http://127.0.0.1:9", app_id="a", app_secret_box="",
            account_id="1", user="u", user_type="UserName", max_file_bytes=1,
            created_at=scene.now, enabled=True,
        )  # fmt: skip
        session.add(target)
        session.flush()
        target_id = target.id
    rig.run(1, {"create": {**CREATE, "push_to": "旗舰版"}})
    (batch_id,) = rig.followed(1)
    assert scene.batch(batch_id).push_target_id == target_id
    rig.run(2, {"create": CREATE}, jobId=8)
    code, message = rig.result(2)
    assert (code, "推送目标不同" in message) == (500, True)


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({**CREATE, "source": "没有的"}, "没有数据源 没有的"),
        ({**CREATE, "push_to": "没有的"}, "没有目标 没有的"),
        ({**CREATE, "to": "2023-12-31"}, "早于"),
    ],
)
def test_create_of_nonsense_fails_with_a_reason(
    rig: JobRig, order: dict[str, str], named: str
) -> None:
    rig.run(1, {"create": order})
    code, message = rig.result(1)
    assert code == 500
    assert named in message
    assert number_of_batches(rig) == 0


def test_create_is_refused_in_a_broadcast(rig: JobRig) -> None:
    rig.run(1, {"create": CREATE}, broadcastTotal=2)
    code, message = rig.result(1)
    assert code == 500
    assert "broadcast" in message
    assert number_of_batches(rig) == 0


# Trying again.


def test_retry_failed_sends_the_failures_of_ended_batches_again(rig: JobRig, scene: Scene) -> None:
    ended = ended_with_failure(scene)
    clean = scene.listed_batch([])
    rig.run(1)
    assert rig.result(1) == (200, NOTHING)
    rig.run(2, {"retry_failed": True})
    assert rig.followed(2) == [ended]
    assert "1 份失败单据" in rig.log(2)
    assert scene.batch(clean).run_status is RunStatus.ENDED
    scene.settle(ended, *map(stored, scene.claim(ended)))
    rig.follow()
    assert rig.result(2)[0] == 200


def test_retry_failed_leaves_running_and_cancelled_batches_alone(rig: JobRig, scene: Scene) -> None:
    running = scene.listed_batch([make_document(0), make_document(1)])
    (claim, _) = scene.claim(running)
    scene.settle(running, failed(claim, "FILE_CORRUPT", detail="-"))
    cancelled = scene.listed_batch([make_document(2), make_document(3)])
    (claim, _) = scene.claim(cancelled)
    scene.settle(cancelled, failed(claim, "FILE_CORRUPT", detail="-"))
    scene.do(batches.cancel, cancelled)
    rig.run(1, {"retry_failed": True})
    assert rig.result(1) == (200, NOTHING)
    rig.run(2, {"retry_failed": True, "batch": scene.batch(cancelled).batch_no})
    code, message = rig.result(2)
    assert code == 500
    assert f"已被 {BY} 取消" in message


def test_retry_failed_goes_on_with_a_listing_that_had_failed(rig: JobRig, scene: Scene) -> None:
    batch_id = batch_with_failed_listing(scene)
    rig.run(1, {"retry_failed": True})
    assert rig.followed(1) == [batch_id]
    assert scene.slice(batch_id).listing_status is ListingStatus.OPEN


def batch_with_failed_listing(scene: Scene) -> int:
    batch_id = scene.add_batch()
    refuse(scene, batch_id)
    return batch_id


def refuse(scene: Scene, batch_id: int) -> None:
    source = FakeSource()

    def before_page(_: int) -> None:
        raise SyncError("SRC_FORBIDDEN")

    source.before_page = before_page
    scene.discovery(source).list_slice(scene.slice(batch_id).id)


# Following to the end.


def test_the_run_ends_200_when_all_is_synced(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    rig.follow()
    assert rig.status(1) is JobStatus.DEFERRED
    move_all(scene, batch_id)
    rig.follow(1)
    code, message = rig.result(1)
    assert code == 200
    assert "已同步 2/2（100%），失败 0，全部同步完成" in message
    assert message in rig.log(1)


def test_the_run_ends_500_with_counts_and_causes_when_not(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    scene.list_all(batch_id, [make_document(number) for number in range(4)])
    good, *bad = scene.claim(batch_id)
    scene.settle(
        batch_id,
        stored(good),
        failed(bad[0], "FILE_CORRUPT", detail="截断"),
        failed(bad[1], "FILE_CORRUPT", detail="截断"),
        failed(bad[2], "FILE_DIGEST_MISMATCH", algorithm="SHA-256"),
    )
    rig.follow()
    code, message = rig.result(1)
    assert code == 500
    assert "已同步 1/4（25%），失败 3，部分同步完成" in message
    assert "文件损坏，无法打开：截断 ×2、" in message


def test_a_listing_that_failed_is_named_in_the_result(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    refuse(scene, batch_id)
    rig.follow()
    code, message = rig.result(1)
    assert code == 500
    assert "同步失败" in message
    assert "2024-01 " in message
    assert "403" in message or "拒绝" in message or "权限" in message


def test_what_stands_unstable_is_said_even_when_all_of_it_is_synced(
    rig: JobRig, scene: Scene
) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    source = FakeSource([make_document(0)])
    source.counted = 3
    scene.discovery(source).list_slice(scene.slice(batch_id).id)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    rig.follow()
    assert "源端 3 份，读到 1 份" in rig.result(1)[1]


def test_a_batch_cancelled_by_a_person_ends_the_run_500_with_who(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    scene.do(batches.cancel, batch_id)
    rig.follow()
    code, message = rig.result(1)
    assert code == 500
    assert f"由 {BY} 取消" in message


def test_a_persons_pause_ends_the_run_500_with_who(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    scene.do(batches.pause, batch_id)
    rig.follow()
    assert rig.result(1) == (
        500, f"批次被暂停 paused: {scene.batch(batch_id).batch_no} 由 {BY}",
    )  # fmt: skip


def test_a_deleted_batch_does_not_hold_its_run_for_ever(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    scene.do(batches.give_back, batch_id)
    scene.do(batches.delete, batch_id)
    rig.follow()
    code, message = rig.result(1)
    assert code == 500
    assert "已删除" in message


def test_the_run_waits_for_all_of_its_batches(rig: JobRig, scene: Scene) -> None:
    first, second = waiting(scene), waiting(scene)
    rig.run(1)
    move_all(scene, first)
    rig.follow()
    assert rig.status(1) is JobStatus.DEFERRED
    move_all(scene, second, range(2, 4))
    rig.follow()
    assert rig.result(1)[0] == 200


def test_a_deferred_run_keeps_its_job_busy(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    assert rig.call("idleBeat", {"jobId": 7})["code"] == 500
    rig.run(2)
    assert rig.status(2) is JobStatus.QUEUED
    move_all(scene, batch_id)
    rig.follow()
    rig.perform()
    assert rig.result(2) == (200, NOTHING)
    assert rig.call("idleBeat", {"jobId": 7})["code"] == 200


# Progress.


def test_progress_is_written_when_it_changes_and_at_least_every_30_seconds(
    rig: JobRig, scene: Scene
) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    progress = f"{scene.batch(batch_id).batch_no} 运行中"

    def lines() -> int:
        return rig.log(1).count(progress)

    rig.follow()
    assert lines() == 1
    assert "已同步 0/0，失败 0，仍在清点" in rig.log(1)
    rig.follow(29)
    assert lines() == 1
    rig.follow(1)
    assert lines() == 2
    scene.list_all(batch_id, [make_document(0), make_document(1)])
    rig.follow(4)
    assert lines() == 2
    rig.follow(1)
    assert lines() == 3
    assert "已同步 0/2（0%），失败 0" in rig.log(1)


def test_no_share_is_shown_before_everything_is_listed(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene, last="2024-02-29")
    rig.run(1)
    january, _ = scene.slices(batch_id)
    scene.discovery(FakeSource([make_document(0)])).list_slice(january.id)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    rig.follow()
    assert "已同步 1/1，失败 0，仍在清点" in rig.log(1)


# Ends from outside.


def test_a_kill_pauses_the_batches(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    assert rig.call("kill", {"jobId": 7})["code"] == 200
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.paused_by) == (RunStatus.WAITING, "xxl-job kill")
    assert [event.actor for event in scene.events(batch_id, "batch.pause")] == ["xxl-job kill"]
    assert rig.result(1)[0] == 500
    rig.run(2)
    assert rig.result(2) == (200, NOTHING)


def test_a_kill_before_the_run_got_its_turn_starts_nothing(rig: JobRig, scene: Scene) -> None:
    """The worker has the run in its hands already when the kill arrives."""
    batch_id = waiting(scene)
    rig.trigger(1)
    killed: list[int] = []

    class KilledFirst:
        """The portal as the handler sees it, a moment too late."""

        def __getattr__(self, name: str) -> object:
            return getattr(rig.portal, name)

        @property
        def ledger(self) -> object:
            if not killed:
                killed.append(rig.call("kill", {"jobId": 7})["code"])
            return rig.portal.ledger

    rig.app.extensions["portal"] = KilledFirst()
    rig.perform()
    assert killed == [200]
    assert scene.batch(batch_id).run_status is RunStatus.WAITING
    assert rig.status(1) is JobStatus.KILLED


def test_a_kill_while_the_run_takes_its_batches_waits_and_pauses_them(
    rig: JobRig, scene: Scene, database_url: str
) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one writing transaction at a time")
    batch_id = waiting(scene)
    rig.trigger(1)
    rig.app.extensions["portal"] = KilledBeforeItsCommit(rig.portal)
    rig.perform()
    assert rig.status(1) is JobStatus.KILLED
    assert scene.batch(batch_id).paused_by == "xxl-job kill"


class KilledBeforeItsCommit:
    """The portal as the handler sees it, with a kill of job 7 inside its first transaction."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self.ledger = self

    def __getattr__(self, name: str) -> object:
        return getattr(self._portal, name)

    @contextmanager
    def write(self) -> Iterator[Session]:
        kill = Thread(target=self._portal.executor.kill, args=[7])
        with self._portal.ledger.write() as session:
            yield session
            session.flush()
            kill.start()
            wait_until_blocked(session, lambda: not kill.is_alive())
        kill.join()

    def transact(self, work: Callable[[Session], T]) -> T:
        with self.write() as session:
            return work(session)


def test_a_kill_leaves_a_batch_that_has_ended_alone(rig: JobRig, scene: Scene) -> None:
    first, second = waiting(scene), waiting(scene)
    rig.run(1)
    move_all(scene, first)
    rig.call("kill", {"jobId": 7})
    assert scene.batch(first).paused_by is None
    assert scene.batch(second).paused_by == "xxl-job kill"


def test_a_timeout_gives_the_batches_back_to_the_next_run(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1, executorTimeout=60)
    rig.time_out(1)
    assert rig.result(1)[0] == 502
    batch = scene.batch(batch_id)
    assert (batch.run_status, batch.paused_by) == (RunStatus.WAITING, None)
    rig.run(2)
    assert rig.followed(2) == [batch_id]
    move_all(scene, batch_id)
    rig.follow()
    assert rig.result(2)[0] == 200


@pytest.mark.parametrize("end", ["kill", "timeout"])
def test_a_batch_goes_on_as_long_as_another_run_waits_for_it(
    rig: JobRig, scene: Scene, end: str
) -> None:
    batch_id = waiting(scene)
    rig.run(1, executorTimeout=60)
    rig.run(2, {"batch": scene.batch(batch_id).batch_no}, jobId=8)
    if end == "kill":
        rig.call("kill", {"jobId": 7})
    else:
        rig.time_out(1)
    assert rig.result(1)[0] in (500, 502)
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    rig.call("kill", {"jobId": 8})
    assert scene.batch(batch_id).paused_by == "xxl-job kill"


def test_of_runs_that_time_out_together_none_keeps_the_batch(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1, executorTimeout=60)
    rig.run(2, {"batch": scene.batch(batch_id).batch_no}, jobId=8, executorTimeout=60)
    rig.time_out(2)
    assert rig.result(1)[0] == rig.result(2)[0] == 502
    assert scene.batch(batch_id).run_status is RunStatus.WAITING


def test_a_batch_given_back_goes_on_while_its_run_waits(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    scene.do(batches.give_back, batch_id)
    rig.follow()
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    assert "继续运行" in rig.log(1)
    move_all(scene, batch_id)
    rig.follow()
    assert rig.result(1)[0] == 200


class Meddling:
    """The executor as the agent sees it, with some answers replaced."""

    def __init__(self, executor: Executor, **answers: Any) -> None:
        self._executor = executor
        self.__dict__.update(answers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)


def test_a_run_that_timed_out_meanwhile_starts_nothing_again(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1, executorTimeout=60)
    seen = rig.portal.executor.deferred_runs()
    rig.time_out(1)
    late: Any = Meddling(rig.portal.executor, deferred_runs=lambda: seen)
    Following(rig.portal.ledger, late, SHANGHAI).step(scene.now)
    assert scene.batch(batch_id).run_status is RunStatus.WAITING


def test_a_run_that_cannot_be_followed_does_not_hold_up_the_next(
    rig: JobRig, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    for log_id, job_id in ((1, 7), (2, 8)):
        batch_id = waiting(scene)
        rig.run(log_id, jobId=job_id)
        scene.do(batches.cancel, batch_id)
    broken = rig.row(1).id

    def finish_run(run_id: int, code: int, message: str) -> bool:
        if run_id == broken:
            raise RuntimeError("无法结束")
        return rig.portal.executor.finish_run(run_id, code, message)

    executor: Any = Meddling(rig.portal.executor, finish_run=finish_run)
    Following(rig.portal.ledger, executor, SHANGHAI).step(scene.now)
    assert rig.status(1) is JobStatus.DEFERRED
    assert rig.result(2)[0] == 500
    assert f"run {broken} could not be followed" in caplog.text


# Broadcasts.


def test_the_months_of_a_part_that_never_came_are_taken_by_the_next_run(
    rig: JobRig, scene: Scene
) -> None:
    batch_id = waiting(scene, last="2024-04-30")
    rig.run(1, broadcastIndex=0, broadcastTotal=2)
    rig.run(2, jobId=8)
    assert rig.followed(2) == [batch_id]
    assert {part.listing_status for part in scene.slices(batch_id)} == {ListingStatus.OPEN}


def test_a_broadcast_splits_the_months(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene, last="2024-04-30")

    def opened() -> list[str]:
        return [
            part.month
            for part in scene.slices(batch_id)
            if part.listing_status is not ListingStatus.WAITING
        ]

    rig.run(1, jobId=7, broadcastIndex=0, broadcastTotal=2)
    assert opened() == ["2024-01", "2024-03"]
    january, february, march, april = scene.slices(batch_id)
    source = FakeSource([make_document(0)])
    for part in (january, march):
        scene.discovery(source).list_slice(part.id)
    scene.settle(batch_id, *map(stored, scene.claim(batch_id)))
    rig.follow()
    assert rig.result(1)[0] == 200  # its own months are done
    assert scene.batch(batch_id).run_status is RunStatus.RUNNING
    rig.run(2, jobId=7, broadcastIndex=1, broadcastTotal=2)
    assert len(opened()) == 4
    for part in (february, april):
        scene.discovery(source).list_slice(part.id)
    rig.follow()
    assert rig.result(2)[0] == 200
    assert scene.batch(batch_id).run_status is RunStatus.ENDED


def test_a_part_of_a_broadcast_answers_only_for_its_months(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene, last="2024-02-29")
    rig.run(1, jobId=7, broadcastIndex=0, broadcastTotal=2)
    rig.run(2, jobId=8, broadcastIndex=1, broadcastTotal=2)
    january, february = scene.slices(batch_id)
    first = make_document(0)
    assert first.collected_at is not None
    second = make_document(1, collected_at=first.collected_at + timedelta(days=31))
    source = FakeSource([first, second])
    for part in (january, february):
        scene.discovery(source).list_slice(part.id)
    bad, good = scene.claim(batch_id)
    scene.settle(batch_id, failed(bad, "FILE_CORRUPT", detail="截断"))
    rig.follow()
    assert rig.result(1)[0] == 500
    assert rig.status(2) is JobStatus.DEFERRED
    scene.settle(batch_id, stored(good))
    rig.follow()
    assert "截断" not in rig.result(2)[1]


# After a death.


def die(rig: JobRig, log_id: int) -> None:
    """The worker that executed the run dies after its transaction, before it deferred."""
    now = rig.scene.now
    with rig.portal.ledger.write() as session:
        session.execute(
            update(ExecutorRun)
            .where(ExecutorRun.log_id == log_id)
            .values(status=JobStatus.RUNNING.value, lease_expires_at=now - timedelta(minutes=1))
        )
    rig.portal.executor.tick(now)
    assert rig.status(log_id) is JobStatus.QUEUED


def test_a_run_whose_process_died_follows_the_batches_it_had_taken(
    rig: JobRig, scene: Scene
) -> None:
    batch_id = waiting(scene)
    rig.run(1)
    die(rig, 1)
    late = waiting(scene)
    rig.perform()
    assert rig.followed(1) == [batch_id, late]
    assert scene.batch(batch_id).run_no == 1
    move_all(scene, batch_id)
    move_all(scene, late, range(2, 4))
    rig.follow()
    assert rig.result(1)[0] == 200


def test_a_run_whose_process_died_ends_with_what_ended_meanwhile(rig: JobRig, scene: Scene) -> None:
    batch_id = waiting(scene)
    rig.run(1, {"batch": scene.batch(batch_id).batch_no, "retry_failed": True})
    scene.list_all(batch_id, [make_document(0)])
    (claim,) = scene.claim(batch_id)
    scene.settle(batch_id, failed(claim, "FILE_CORRUPT", detail="截断"))
    die(rig, 1)
    rig.perform()
    rig.follow()
    assert rig.result(1)[0] == 500
    assert scene.batch(batch_id).run_no == 1  # not sent again by the same run


def test_a_run_that_created_a_batch_and_died_does_not_create_another(
    rig: JobRig, scene: Scene
) -> None:
    rig.run(1, {"create": CREATE})
    (batch_id,) = rig.followed(1)
    move_all(scene, batch_id)
    die(rig, 1)
    rig.perform()
    assert number_of_batches(rig) == 1
    rig.follow()
    assert rig.result(1)[0] == 200
