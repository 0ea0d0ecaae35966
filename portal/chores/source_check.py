"""测试连接, as a chore: from the host of the clerk that does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from portal.chores.desk import Desk
from portal.models import utc_now
from portal.secret_box import SecretUnreadable
from portal.services import sources
from portal.services.months import whole_month
from portal.services.source_check import Finding, SourceReport, check_source, steps_of
from portal.sync.sources.rows import Scope


def perform(desk: Desk) -> Mapping[str, Any]:
    """Try the source ``source_id`` out with the documents of ``month``, ``yyyy-MM``."""
    portal = desk.portal
    with portal.ledger.read() as session:
        source = sources.get(session, desk.params["source_id"])
    total = len(steps_of(source))
    month = date.fromisoformat(f"{desk.params['month']}-01")
    covered = whole_month(month, portal.settings.timezone)
    try:
        report = check_source(
            source,
            portal.box,
            portal.settings.home,
            Scope(covered.starts_at, covered.ends_at),
            clock=utc_now,
            on_step=lambda done: desk.progress(done, total),
        )
    except SecretUnreadable as error:
        report = SourceReport(findings=[_unreadable(error)])
    return {
        "state": report.state,
        "month": covered.month,
        "documents": report.documents,
        "findings": [asdict(finding) for finding in report.findings],
    }


def _unreadable(error: SecretUnreadable) -> Finding:
    """The host has another key than the one the secrets were stored with."""
    return Finding(
        "token",
        "failed",
        error.text("zh"),
        error.text("en"),
        todo_zh="各主机的 PORTAL_SECRET_KEY（或 secret.key）须相同；"
        "密钥确已更换的，重新填写 clientSecret",
        todo_en="All hosts need the same PORTAL_SECRET_KEY (or secret.key); if it was changed,"
        " enter the clientSecret again",
    )
