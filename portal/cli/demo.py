"""``imgmig demo``: a real migration of the demo source, triggered as an xxl-job admin would."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
import requests

from executor.admins import plain_session
from portal.cli.demo_source import (
    DEFAULT_BIND,
    bind_address,
    demo_options,
    tenant_arguments,
    tenant_options,
)
from portal.cli.opening import log_to, opened, say, say_json
from portal.cli.progress import watch_batch
from portal.cli.running import parent_option, require_free
from portal.cli.trigger import AdminTrigger
from portal.cli.up import prepare, programs, tell_login
from portal.errors import PortalError, action, reason
from portal.models import Verification, utc_now
from portal.runtime import Portal
from portal.services import batches, failure_groups, sources, verification
from portal.services.extra_files import extra_files
from portal.services.verifying import Verifier
from portal.settings import EXECUTOR_PREFIX, Settings, read_settings
from portal.supervisor import Program, StopSignals, Supervisor

logger = logging.getLogger(__name__)

SOURCE_NAME = "演示源"
READY_SECONDS = 60
JOB_END_SECONDS = 30
FAILED_EXIT = 1


class DemoFailed(PortalError):
    """The demo did not come to its end."""


@click.command("demo")
@tenant_options
@click.option("--keep", is_flag=True, help="结束后继续服务 Go on serving; everything is kept.")
@click.option("--source-bind", help=f"演示源地址 With --keep {DEFAULT_BIND}, else a free port.")
@parent_option
def command(keep: bool, source_bind: str | None, **tenant: Any) -> None:
    """演示一次真实迁移：最后一行是 JSON 结果。

    Start everything with the demo source, trigger DataSyncTask through the executor's endpoint,
    migrate, verify. Exits 0 only when every healthy document is synced and verified again and
    exactly the planted defects failed. The last line printed is one JSON object. With --keep it
    goes on serving until Ctrl-C, which then is the wanted end and exits 0.
    """
    demo_options(tenant)  # refuses nonsense before anything is started
    with StopSignals() as stop, ExitStack() as stack:
        settings, source_bind = stack.enter_context(_place(keep, source_bind))
        password = prepare(settings)
        if password is not None:
            tell_login(settings, password)  # now: it cannot be asked for again if we are stopped
        logs = settings.home / "logs"
        log_to("demo", settings, logs / "demo.log")
        demo_source = Program(
            "demo-source",
            ("demo-source", "--bind", source_bind, *tenant_arguments(tenant)),
            log=logs / "demo-source.log",
        )
        children = [
            replace(program, environment=_environment(settings))
            for program in (demo_source, *programs(settings, logs))
        ]
        supervisor = stack.enter_context(Supervisor(children))
        portal = stack.enter_context(opened(settings))
        demo = _Demo(portal, supervisor, stop, _address(source_bind))
        demo.wait_until_ready()
        result = demo.migrate()
        say_json(result)
        if keep:
            tell_login(settings, password)
            supervisor.run_until_stopped()
        elif demo.complaints:
            raise click.exceptions.Exit(FAILED_EXIT)


@contextmanager
def _place(keep: bool, source_bind: str | None) -> Iterator[tuple[Settings, str]]:
    """Where the demo lives: the configured home, or else a throw-away one on free ports."""
    settings = read_settings()
    if keep:
        source_bind = source_bind or DEFAULT_BIND
        require_free(settings.bind_host, settings.bind_port, "PORTAL_BIND")
        require_free(*bind_address(source_bind), "--source-bind")
        yield settings, source_bind
        return
    environ = dict(os.environ)
    if not environ.get("PORTAL_BIND"):
        environ["PORTAL_BIND"] = f"127.0.0.1:{_free_port()}"
    source_bind = source_bind or f"127.0.0.1:{_free_port()}"
    if environ.get("IMGMIG_HOME"):
        yield read_settings(environ), source_bind
        return
    home = Path(tempfile.mkdtemp(prefix="imgmig-demo-"))
    environ["IMGMIG_HOME"] = str(home)
    try:
        yield read_settings(environ), source_bind
    except (PortalError, click.exceptions.Exit):
        click.echo(f"演示的文件保留在 the demo's files are kept in {home}", err=True)
        raise
    except BaseException:
        shutil.rmtree(home)
        raise
    shutil.rmtree(home)


def _address(source_bind: str) -> str:
    """Where a source that listens there is reached from this host."""
    host, port = bind_address(source_bind)
    own = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - recognised, not bound
    return f"http://{own.get(host, source_bind.rpartition(':')[0])}:{port}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _environment(settings: Settings) -> dict[str, str]:
    return {
        "IMGMIG_HOME": str(settings.home),
        "PORTAL_BIND": f"{settings.bind_host}:{settings.bind_port}",
    }


class _Demo:
    """One run of the demo against processes that are already being supervised."""

    def __init__(
        self, portal: Portal, supervisor: Supervisor, stop: StopSignals, source_url: str
    ) -> None:
        self._portal = portal
        self._supervisor = supervisor
        self._stop = stop
        self._source_url = source_url
        self.complaints: list[str] = []

    def wait_until_ready(self) -> None:
        """Wait for the source, the web process and a worker.

        :raises DemoFailed: when they do not come up in a minute
        """
        deadline = time.monotonic() + READY_SECONDS
        waiting = [f"{self._source_url}/_demo/", f"{self._portal.settings.address}/readyz"]
        while waiting:
            self._look_around()
            waiting = [url for url in waiting if not _answers(url)]
            if time.monotonic() > deadline:
                raise DemoFailed(f"没有就绪 not ready: {', '.join(waiting)}")
            time.sleep(0.1)

    def migrate(self) -> dict[str, Any]:
        """Create or go on with the batch, trigger the job, wait, verify; the result's line."""
        began = time.monotonic()
        with plain_session() as session:
            overview = session.get(f"{self._source_url}/_demo/", timeout=10).json()
            expected = session.get(f"{self._source_url}/_demo/expected", timeout=60).json()
        batch_no = self._batch(overview)
        trigger = AdminTrigger(
            f"{self._portal.settings.address}{EXECUTOR_PREFIX}",
            token=next(iter(self._portal.settings.access_tokens()), ""),
        )
        trigger.run({"batch": batch_no})
        say(f"已通过执行器触发 DataSyncTask triggered through the executor: {batch_no}")

        def meanwhile() -> list[str]:
            self._look_around()
            lines = _job_log(trigger)
            if trigger.is_ended and not self._is_ended(batch_no):
                for line in lines:
                    say(line)
                raise DemoFailed("任务提前结束 the job ended before its batch")
            return lines

        report = watch_batch(self._portal, batch_no, meanwhile=meanwhile)
        seconds = time.monotonic() - began
        self._wait_for_the_job(trigger)
        seen = self._verify(batch_no)
        self._judge(batch_no, report, expected, seen)
        return {
            "trigger": "xxl-job",
            "documents": report["total"],
            "synced": report["done"],
            "failed": report["failed"],
            "files": seen.files,
            "bytes": seen.bytes,
            "verified": seen.documents,
            "seconds": round(seconds, 1),
        }

    def _batch(self, overview: dict[str, Any]) -> str:
        """The unfinished batch over the tenant's whole range, or a new one."""
        first = date.fromisoformat(overview["firstMonth"] + "-01")
        last = first
        for _ in range(overview["months"]):
            last = (last.replace(day=1) + timedelta(days=32)).replace(day=1)
        credentials = overview["credentials"]
        form = sources.SourceForm(
            name=SOURCE_NAME,
            base_url=self._source_url,
            client_id=credentials["clientId"],
            client_secret=credentials["clientSecret"],
        )
        now = utc_now()
        zone = self._portal.settings.timezone
        with self._portal.ledger.write() as session:
            source = sources.save(session, form, box=self._portal.box, by="demo", now=now)
            scope = batches.BatchScope(source.id, first, last - timedelta(days=1))
            batch = batches.find_unfinished(session, scope)
            if batch is None:
                batch = batches.create(session, scope, by="demo", now=now, zone=zone)
            return batch.batch_no

    def _look_around(self) -> None:
        """End when told to; start what died."""
        self._stop.obey()
        self._supervisor.poll()

    def _wait_for_the_job(self, trigger: AdminTrigger) -> None:
        """The agent ends the run within a step or two of the batch's end.

        :raises DemoFailed: when it does not
        """
        deadline = time.monotonic() + JOB_END_SECONDS
        while not trigger.is_ended:
            if time.monotonic() > deadline:
                raise DemoFailed("批次已结束，任务却没有 the batch has ended and the job has not")
            self._look_around()
            time.sleep(0.1)
            for line in _job_log(trigger):
                say(line)

    def _is_ended(self, batch_no: str) -> bool:
        with self._portal.ledger.read() as session:
            return batches.find(session, batch_no).is_finished

    def _verify(self, batch_no: str) -> Verification:
        ledger, archive, zone = (
            self._portal.ledger,
            self._portal.archive,
            self._portal.settings.timezone,
        )
        with ledger.read() as session:
            order = verification.Order(batch_id=batches.find(session, batch_no).id)
        run_id = verification.start(ledger, order, by="demo", zone=zone, now=utc_now())
        seen = Verifier(
            ledger, archive, run_id, zone=zone, progress=lambda _: self._look_around()
        ).run()
        seen.findings += sum(len(keys) for keys in extra_files(ledger, archive))
        return seen

    def _judge(
        self,
        batch_no: str,
        report: dict[str, Any],
        expected: dict[str, Any],
        seen: Verification,
    ) -> None:
        """Say what failed and compare everything with what the source knows it planted."""
        with self._portal.ledger.read() as session:
            batch = batches.find(session, batch_no)
            failures = list(failure_groups.codes(session, batch.id))
            for group in failure_groups.by_cause(session, batch.id):
                text = reason(group.code, group.params, "zh")
                say(f"失败 failed: {group.code} ×{group.count} {text}（{group.image_no}）")
                say(f"  处理措施 what to do: {action(group.code, group.params, 'zh')}")
        self._compare("单据 documents", expected["documents"], report["total"])
        healthy = expected["documents"] - len(expected["defects"])
        self._compare("已同步 synced", healthy, report["done"])
        self._compare("已核对 verified", report["done"], seen.documents)
        self._compare("归档不符 findings", 0, seen.findings)
        planted = sorted((d["imageNo"] or "ROW", d["code"]) for d in expected["defects"])
        found = sorted((_planted_name(image_no), code) for image_no, code in failures)
        self._compare("失败 failures", planted, found)
        for complaint in self.complaints:
            say(f"不符 differs: {complaint}")

    def _compare(self, what: str, wanted: object, got: object) -> None:
        if wanted != got:
            self.complaints.append(f"{what}: 应为 expected {wanted}, 实际 got {got}")


def _job_log(trigger: AdminTrigger) -> list[str]:
    """What is new in the job log; nothing while the web process is just being started again."""
    try:
        return [f"  {line}" for line in trigger.new_log_lines()]
    except requests.RequestException as error:
        logger.warning("the job log cannot be read just now: %s", error)
        return []


def _planted_name(image_no: str) -> str:
    """A document without 影像编号 is kept under a digest that the source cannot know."""
    return "ROW" if image_no.startswith("ROW-") else image_no


def _answers(url: str) -> bool:
    try:
        with plain_session() as session:
            return session.get(url, timeout=2).ok
    except requests.RequestException:
        return False
