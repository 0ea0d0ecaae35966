"""``imgmig sample``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from portal.cli.opening import actor, as_json, opened, say, say_json
from portal.errors import NotAllowed
from portal.models import DataSource, Sample, SampleDocument, utc_now
from portal.services import samples, sources
from portal.services.manifests import open_sealed
from portal.services.paging import SIZES, Place
from portal.services.reconciliations import every
from portal.services.sample_recipe import recipe
from portal.services.sample_words import label, statement


@click.group("sample")
def command() -> None:
    """随机抽查 Samples of sealed manifests."""


@command.command("list")
@click.option("--source", "source_name", help="数据源 The data source.")
@as_json
def list_(*, source_name: str | None, as_json: bool) -> None:
    """最近的抽查 The newest samples."""
    with opened() as portal, portal.ledger.read() as session:
        source_id = sources.find(session, source_name).id if source_name else None
        place = Place(sort="id", descending=True, size=SIZES[-1])
        rows = samples.all_samples(session, place, source_id=source_id).rows
    if as_json:
        say_json([_report(sample, source) for sample, source, _ in rows])
        return
    for sample, source, _ in rows:
        drawn = f"{sample.size} / {sample.documents}" if sample.size else f"{sample.documents or 0}"
        say(f"  {sample.id}  {source.name}  {sample.month}  {drawn}  {_word(sample.state)}")


@command.command("show")
@click.argument("sample_id", type=int)
@as_json
def show(*, sample_id: int, as_json: bool) -> None:
    """一次抽查及其单据 One sample and its documents."""
    with opened() as portal:
        with portal.ledger.read() as session:
            sample = samples.find(session, sample_id)
            source = session.get_one(DataSource, sample.data_source_id)
        documents = every(portal.ledger, samples.documents_of(sample_id), SampleDocument.id)
        if as_json:
            listed = [_document(row) for row in documents]
            say_json({**_report(sample, source), "drawn": listed, "recipe": _recipe(sample)})
            return
        say(f"抽查 sample {sample.id}  {source.name}  {sample.month}  {_word(sample.state)}")
        if sample.manifest_sha256:
            say(f"  清单 manifest {sample.documents}  SHA-256 {sample.manifest_sha256}")
        if sample.nonce:
            say(f"  随机串 nonce {sample.nonce}  n = {sample.size}")
        for row in documents:
            verdict = _word(row.verdict) if row.verdict else "—"
            say(f"  {row.position}  {row.resource}  {row.image_no}  {verdict}  {row.remark}")
        for language in ("zh", "en"):
            if statement(sample, language):
                say(statement(sample, language))


@command.command("manifest")
@click.argument("sample_id", type=int)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="文件 File."
)
def manifest(*, sample_id: int, output: Path) -> None:
    """把封存的清单写入文件，记入操作日志 Write the sealed manifest to a file."""
    with opened() as portal:
        with portal.ledger.write() as session:
            sample = samples.find(session, sample_id)
            if sample.manifest_sha256 is None:
                raise NotAllowed("清单还没有封存", "the manifest is not sealed yet")
            stream = open_sealed(portal.archive, sample)
            samples.record_download(session, sample, by=actor(), now=utc_now())
            digest = sample.manifest_sha256
        with stream, output.open("wb") as copy:
            shutil.copyfileobj(stream, copy)
    say(f"{digest}  {output}")


def _report(sample: Sample, source: DataSource) -> dict[str, Any]:
    return {
        "id": sample.id,
        "source": source.name,
        "month": sample.month,
        "org": sample.org_code or None,
        "type": sample.bill_type_code or None,
        "state": sample.state,
        "manifest_sha256": sample.manifest_sha256,
        "manifest_bytes": sample.manifest_bytes,
        "documents": sample.documents,
        "strata": sample.strata,
        "nonce": sample.nonce,
        "size": sample.size,
        "drawn_by": sample.drawn_by,
        "drawn_at": sample.drawn_at,
        "found": sample.found,
        "undecided": sample.undecided,
        "bound": sample.bound,
        "closed_by": sample.closed_by,
        "closed_at": sample.closed_at,
        "statement": statement(sample, "zh") or None,
        "statement_en": statement(sample, "en") or None,
    }


def _document(row: SampleDocument) -> dict[str, Any]:
    return {
        "position": row.position,
        "resource": row.resource,
        "image_no": row.image_no,
        "key": row.key,
        "equal": None if row.compared is None else row.compared["equal"],
        "verdict": row.verdict,
        "remark": row.remark,
        "judged_by": row.judged_by,
        "judged_at": row.judged_at,
    }


def _recipe(sample: Sample) -> str | None:
    if sample.nonce is None:
        return None
    return recipe(str(sample.manifest_sha256), sample.nonce, sample.size or 0)


def _word(word: str) -> str:
    return f"{label(word, 'zh')} {label(word, 'en')}"
