"""``imgmig verify``."""

from __future__ import annotations

from typing import Any

import click

from portal.cli.opening import as_json, opened, say, say_json
from portal.cli.progress import ProgressBar
from portal.errors import reason
from portal.services import batches
from portal.services.verification import Verification, archived_documents, verify

FINDINGS_EXIT = 1


@click.command("verify")
@click.option("--batch", "batch_no", help="只核对一个批次 Only the documents of one batch.")
@as_json
def command(batch_no: str | None, as_json: bool) -> None:
    """重读归档中的每个文件并与账本核对；发现不符时退出码为 1。

    Re-read every file in the archive and compare it with the ledger; exits 1 on any finding.
    """
    with opened() as portal, ProgressBar("核对 verify", quiet=as_json) as bar:
        batch_id = None
        total: int | None = None
        if batch_no is not None:
            with portal.ledger.read() as session:
                batch = batches.find(session, batch_no)
                batch_id, total = batch.id, batch.done
        else:
            total = archived_documents(portal.ledger)

        def show(seen: Verification) -> None:
            bar.show(seen.documents, total, f"{seen.bytes / 1e6:.0f} MB")

        seen = verify(portal.ledger, portal.archive, batch_id=batch_id, progress=show)
    if as_json:
        say_json(_report(seen))
    else:
        say(f"核对 verified: {seen.documents} 份单据 documents, {seen.files} 个文件 files")
        say(f"不符 findings: {len(seen.findings)}")
        for finding in seen.findings:
            say(f"  {finding.code} {finding.storage_key}：{reason(finding.code, None, 'zh')}")
    raise click.exceptions.Exit(0 if seen.is_clean else FINDINGS_EXIT)


def _report(seen: Verification) -> dict[str, Any]:
    return {
        "documents": seen.documents,
        "files": seen.files,
        "bytes": seen.bytes,
        "findings": [
            {"code": f.code, "storage_key": f.storage_key, "image_no": f.image_no}
            for f in seen.findings
        ],
    }
