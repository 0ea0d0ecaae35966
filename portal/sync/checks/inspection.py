"""The words between whoever wants a file checked and whoever checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from portal.errors import SyncError
from portal.sync.checks.rules import CompatibilityRules

#: The detail of FILE_HOSTILE where a file wanted more memory than a child has.
OUT_OF_MEMORY = "memory"


@dataclass(frozen=True)
class InspectionJob:
    """One file to check.

    :param id: the caller's name for it, given back with the result
    :param path: where its bytes lie; only read
    :param suffix: the declared suffix, with or without dot, may be empty
    :param category: ``cover``, ``invoice`` or ``attachment``
    :param page_count: the declared number of pages, if the source declares one
    :param proved: whether a digest that the source declares has shown that these are its bytes
    """

    id: int | str
    path: str
    suffix: str
    category: str
    page_count: int | None
    rules: CompatibilityRules
    proved: bool = False

    @property
    def decode(self) -> bool:
        """Whether pictures are to be computed and pages drawn, beyond their structure."""
        return self.rules.deep or not self.proved


def jobs_line(jobs: Sequence[InspectionJob]) -> bytes:
    """Jobs under the same rules as one line of JSON."""
    files = [
        (job.id, job.path, job.suffix, job.category, job.page_count, job.proved) for job in jobs
    ]
    return json.dumps([_text_of(jobs[0].rules), files]).encode() + b"\n"


def jobs_in(line: bytes) -> list[InspectionJob]:
    """Read what :func:`jobs_line` wrote."""
    text, files = json.loads(line)
    rules = _rules_in(text)
    return [
        InspectionJob(name, path, suffix, category, page_count, rules, proved)
        for name, path, suffix, category, page_count, proved in files
    ]


# The rules are those of the files before, and of those before that.
@lru_cache(maxsize=8)
def _text_of(rules: CompatibilityRules) -> str:
    return json.dumps(rules.to_mapping())


@lru_cache(maxsize=8)
def _rules_in(text: str) -> CompatibilityRules:
    return CompatibilityRules.from_mapping(json.loads(text))


@dataclass(frozen=True)
class FileFacts:
    """What a good file turned out to be.

    ``width``, ``height`` (pixels) and ``dpi`` are those of a picture's first page, and None for
    everything else; ``pages`` is None for what has no pages (XML, text, office files).
    """

    kind: str
    pages: int | None = None
    width: int | None = None
    height: int | None = None
    dpi: int | None = None


@dataclass(frozen=True)
class Inspection:
    """The result of a job: either facts or the error."""

    id: int | str
    facts: FileFacts | None
    error: SyncError | None

    @property
    def is_out_of_memory(self) -> bool:
        """Whether there was too little memory, for which files before this one may be to blame."""
        return self.error is not None and self.error.params.get("detail") == OUT_OF_MEMORY

    def to_mapping(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        if self.error is not None:
            return {"error": {"code": self.error.code, "params": self.error.params}}
        return {"facts": self.facts.__dict__ if self.facts else None}

    @classmethod
    def of(cls, job: InspectionJob, values: Mapping[str, Any]) -> Inspection:
        """Read what :meth:`to_mapping` wrote about this job."""
        error = values.get("error")
        if error is not None:
            return cls(job.id, None, SyncError(error["code"], **error["params"]))
        return cls(job.id, FileFacts(**values["facts"]), None)
