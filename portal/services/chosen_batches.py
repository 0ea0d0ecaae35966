"""One thing done with many 迁移批次: each in a transaction of its own, what is refused is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from portal.errors import BatchRefused, NotFound
from portal.ledger import Ledger
from portal.models import Batch
from portal.services import batches


@dataclass(slots=True)
class Outcome:
    """The numbers of those it was done with, and why it was not with the others."""

    done: list[str] = field(default_factory=list)
    refused: list[tuple[str, BatchRefused]] = field(default_factory=list)

    def by_reason(self, language: str) -> dict[str, list[str]]:
        """The refused ones' numbers by the reason, in the order of their first occurrence."""
        reasons: dict[str, list[str]] = {}
        for number, error in self.refused:
            reasons.setdefault(error.why(language), []).append(number)
        return reasons


def act_on_each(
    ledger: Ledger, numbers: Sequence[str], act: Callable[[Session, Batch], object]
) -> Outcome:
    """Do it with every batch of these numbers, each once.

    :param act: raises :class:`BatchRefused`, or changes the batch
    """
    outcome = Outcome()
    for number in dict.fromkeys(numbers):
        try:
            with ledger.write() as session:
                act(session, batches.find(session, number))
        except BatchRefused as error:
            outcome.refused.append((number, error))
        except NotFound:
            gone = BatchRefused(number, "不存在或已被删除", "does not exist or was deleted")
            outcome.refused.append((number, gone))
        else:
            outcome.done.append(number)
    return outcome
