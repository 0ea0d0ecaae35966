"""How a handler came back."""

from __future__ import annotations

from dataclasses import dataclass

from .protocol import texts


@dataclass(frozen=True)
class Outcome:
    """A result, or the word that it comes later."""

    code: int
    message: str
    is_deferred: bool = False

    @classmethod
    def succeeded(cls, message: str) -> Outcome:
        """Code 200."""
        return cls(texts.OK, message)

    @classmethod
    def failed(cls, message: str) -> Outcome:
        """Code 500."""
        return cls(texts.FAIL, message)

    @classmethod
    def deferred(cls) -> Outcome:
        """No result yet; the run goes on without a process."""
        return cls(texts.OK, "", is_deferred=True)
