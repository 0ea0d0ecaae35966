"""Whether an archived document is what the source lists: its words and its files; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from portal.models import Part
from portal.sync.sources.rows import SourceDocument, SourceFile
from portal.sync.sources.values import SOURCE_ZONE

AnyRow = Row[*tuple[Any, ...]]
# Fields that are a document's words, as the ledger's columns name them.
_WORDS = ("bill_no", "bill_type_code", "bill_type_name", "org_code", "org_name", "applicant")
_LONGEST_WORD = 255
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing about an archived document that is not as the source says.

    :ivar params: for the page; of ``metadata`` a list of (field, there, here)
    """

    part: Part
    file_id: str | None = None
    place: str | None = None
    sha256: str | None = None
    params: Mapping[str, Any] | None = None


def differences(
    listed: SourceDocument, here: AnyRow, files: Sequence[AnyRow], *, same_month: bool
) -> Iterator[Difference]:
    """Everything that differs between a listed document and the archived one.

    :param here: the document's columns
    :param files: the columns of its files
    :param same_month: whether both were collected in the same month
    """
    if not same_month:
        moments = {"there": _text(listed.collected_at), "here": _text(here.collected_at)}
        yield Difference(Part.WRONG_MONTH, params=moments)
    words = [
        (name, there, getattr(here, name))
        for name in _WORDS
        if (there := getattr(listed, name)[:_LONGEST_WORD]) != getattr(here, name)
    ]
    if listed.amount != here.amount:
        words.append(("amount", _text(listed.amount), _text(here.amount)))
    if same_month and listed.collected_at != here.collected_at:
        words.append(("collected_at", _text(listed.collected_at), _text(here.collected_at)))
    stored = {file.file_id: file for file in files}
    declared = {file.file_id: file for file in listed.files}
    for file_id, there in declared.items():
        file = stored.get(file_id)
        if file is None or file.storage_key is None:
            yield Difference(
                Part.MISSING, file_id, sha256=there.sha256, params={"name": there.name}
            )
            continue
        yield from _file_differences(there, file)
        words += [
            (f"{there.name} · {name}", str(said), str(kept))
            for name, said, kept in (
                ("category", there.category, file.category),
                ("name", there.name, file.name),
                ("seq", there.seq, file.seq),
            )
            if said != kept
        ]
    for file_id, file in stored.items():
        if file_id not in declared:
            yield Difference(Part.EXTRA, file_id, file.storage_key, params={"name": file.name})
    if words:
        yield Difference(Part.METADATA, params={"words": words[:_SHOWN]})


def _file_differences(there: SourceFile, file: AnyRow) -> Iterator[Difference]:
    """What was stored beside what is declared, where it is; the size counts before the digest."""
    if there.size is not None and there.size != file.size:
        params = {"name": there.name, "there": there.size, "here": file.size}
        yield Difference(Part.SIZE, there.file_id, file.storage_key, params=params)
    elif there.sha256 is not None and there.sha256 != file.sha256:
        params = {"name": there.name, "there": there.sha256, "here": file.sha256}
        yield Difference(Part.DIGEST, there.file_id, file.storage_key, params=params)


def _text(value: datetime | Decimal | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.astimezone(SOURCE_ZONE).isoformat(sep=" ", timespec="milliseconds")
    return str(value)
