"""``imgmig reconcile``."""

from __future__ import annotations

import re
import secrets
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import SyncError
from portal.ledger import Ledger, this_host
from portal.models import Reconciliation, ReconciliationState, Sums, utc_now
from portal.runtime import Portal
from portal.services import reconciliations, sources
from portal.services.opening import open_source
from portal.services.reconciliation_words import label
from portal.services.reconciling import Reconciler
from portal.services.source_reading import PatientSource

UNBALANCED_EXIT = 1


class _Month(click.ParamType[str]):
    name = "month"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        found = re.fullmatch(r"(\d{4}-\d{2})(-\d{2})?", str(value), re.ASCII)
        if found is None:
            self.fail(f"{value!r}：应如 2024-03 must be such as 2024-03", param, ctx)
        return found[1]


@click.command("reconcile")
@click.option("--source", "source_name", required=True, help="数据源 The data source.")
@click.option("--from", "first", type=_Month(), required=True, help="起始月份 First month.")
@click.option("--to", "last", type=_Month(), help="截止月份（含）Last month, included.")
@click.option("--reread", is_flag=True, help="同时重读文件 Re-read every file, too.")
@as_json
def command(*, source_name: str, first: str, last: str | None, reread: bool, as_json: bool) -> None:
    """按月×组织×单据类型对账（整月，北京时间）；有不平时退出码为 1。

    Reconcile whole months with the source; exits 1 when something does not balance.
    """
    with opened() as portal, ProgressBar("对账 reconcile", quiet=as_json) as bar:
        with portal.ledger.write() as session:
            source = sources.find(session, source_name)
            asked = reconciliations.ask(
                session,
                source.id,
                first,
                last or first,
                reread=reread,
                by=actor(),
                now=utc_now(),
            )
            run_id = asked.id
        run = _perform(portal, run_id, source_name, bar)
        if as_json:
            say_json(_report(portal.ledger, run, source_name))
        else:
            _tell(portal.ledger, run)
    raise click.exceptions.Exit(UNBALANCED_EXIT if run.unbalanced else 0)


def _perform(portal: Portal, run_id: int, source_name: str, bar: ProgressBar) -> Reconciliation:
    runner = f"{this_host()}.cli-{secrets.token_hex(4)}"
    with portal.ledger.read() as session:
        source = sources.find(session, source_name)
    opened_source = open_source(source, portal.box, portal.settings.home)
    reading = PatientSource(portal.ledger, opened_source.source, source.id, owner=runner)
    state, code, params = ReconciliationState.CANCELLED, None, None
    try:
        return Reconciler(
            portal.ledger,
            portal.archive,
            run_id,
            count=reading.count,
            page=reading.page,
            runner=runner,
            zone=portal.settings.timezone,
            progress=lambda done, total: bar.show(done, total or done, ""),
        ).run()
    except SyncError as error:
        state, code, params = ReconciliationState.FAILED, error.code, error.params
        raise
    finally:
        opened_source.close()
        with portal.ledger.write() as session:  # one that has ended stays so
            reconciliations.stop(session, run_id, state, now=utc_now(), code=code, params=params)


def _tell(ledger: Ledger, run: Reconciliation) -> None:
    with ledger.read() as session:
        months = reconciliations.months(session, run.id)
        classes = reconciliations.defects_by_part(session, run.id)
    for row in months:
        checked = " 已核对 checked" if row.not_checked is None else ""
        say(
            f"  {row.month}  源端 source {row.source.documents}  归档 archive "
            f"{row.archived.documents}  {label(row.balance, 'zh')} {row.balance}{checked}"
        )
        for part, values in row.parts.items():
            say(f"      {label(part, 'zh')} {part}: {values['documents']}")
    for part, count in sorted(classes.items()):
        say(f"  {label(part, 'zh')} {part}: {count}")
    say(f"对账 reconciliation {run.id}：不平的月份 unbalanced months {run.unbalanced}")


def _report(ledger: Ledger, run: Reconciliation, source_name: str) -> dict[str, Any]:
    with ledger.read() as session:
        months = reconciliations.months(session, run.id)
        classes = reconciliations.defects_by_part(session, run.id)
    return {
        "id": run.id,
        "source": source_name,
        "from": run.first_month,
        "to": run.last_month,
        "reread": run.reread,
        "state": run.state,
        "balanced": not run.unbalanced,
        "defects": classes,
        "months": [
            {
                "month": row.month,
                "balance": row.balance,
                "checked": row.not_checked is None,
                "not_checked": row.not_checked,
                "source": _sums(row.source),
                "listed": _sums(row.listed),
                "archive": _sums(row.archived),
                "unexplained": _sums(row.left),
                "parts": row.parts,
                "skipped": row.skipped,
                "defects": row.defects,
                "reread_files": row.reread_files,
            }
            for row in months
        ],
    }


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "documents": sums.documents,
        "files": sums.files,
        "bytes": sums.bytes,
        "amount": None if sums.amount is None else f"{sums.amount:.2f}",
    }
