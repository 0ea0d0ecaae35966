"""The words between whoever wants a file checked and whoever checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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

    def to_mapping(self) -> dict[str, Any]:
        """The job as plain JSON values."""
        return {**self.__dict__, "rules": _text_of(self.rules)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> InspectionJob:
        """Read what :meth:`to_mapping` wrote."""
        return cls(**{**values, "rules": _rules_in(values["rules"])})


# The rules are those of the file before, and of the one before that.
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
            error = {"code": self.error.code, "params": self.error.params}
            return {"id": self.id, "error": error}
        return {"id": self.id, "facts": asdict(self.facts) if self.facts else None}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Inspection:
        """Read what :meth:`to_mapping` wrote."""
        error = values.get("error")
        if error is not None:
            return cls(values["id"], None, SyncError(error["code"], **error["params"]))
        return cls(values["id"], FileFacts(**values["facts"]), None)
