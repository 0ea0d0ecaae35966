"""What every kind of target promises, whatever it speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

#: Of the catalogue: these say that the target cannot be worked with just now, whatever is pushed.
AWAY = frozenset({"TGT_CONNECTION", "TGT_TLS", "TGT_LOGIN", "TGT_THROTTLED", "ADDRESS_FORBIDDEN"})


@dataclass(frozen=True, slots=True)
class PushDocument:
    """What a target is told of a document; texts may be empty, but for the first four.

    A target knows it by ``image_no`` (影像编号) and ``resource`` (来源系统) together.
    """

    image_no: str
    resource: str
    bill_id: str
    bill_type_code: str
    bill_type_name: str = ""
    bill_no: str = ""
    org_code: str = ""
    org_name: str = ""
    applicant: str = ""
    tax_no: str = ""


@dataclass(frozen=True, slots=True)
class PushFile:
    """One file of it; ``size`` is bytes, ``category`` is ``cover``, ``invoice``, ``attachment``."""

    name: str
    suffix: str
    category: str
    size: int


@dataclass(frozen=True, slots=True)
class Collected:
    """How the target calls a file that it has taken."""

    file_no: str
    src_path: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the target says of a document: its own status word, of which it may have none."""

    status: str
    bill_type_code: str


class Target(Protocol):
    """A system that takes documents; any number of threads may use one.

    A document is announced, its files are handed over one by one, and it is submitted with exactly
    those. Each of the calls may be repeated: what is there already is the same again, and the last
    submission replaces what earlier ones said. Whatever goes wrong is a :class:`SyncError`; where
    its problem is the target's (``problem.where``), nothing is said about the document.
    """

    def check(self) -> None:
        """Log in anew, as a test of address and credentials.

        :raises SyncError: when that fails
        """

    def announce(self, document: PushDocument) -> None:
        """Make the document known.

        :raises SyncError: TGT_REFUSED, or an error of the target
        """

    def hand_over(self, document: PushDocument, file: PushFile, content: BinaryIO) -> Collected:
        """Give it one file.

        :param content: read from where it is, ``file.size`` bytes, in small pieces
        :raises SyncError: TGT_REFUSED, TGT_FILE_TOO_LARGE, or an error of the target
        """

    def submit(self, document: PushDocument, files: Sequence[Collected]) -> None:
        """Have the document consist of exactly these files, in this order.

        :raises SyncError: TGT_REFUSED, or an error of the target
        """

    def look_up(self, image_no: str, resource: str) -> Seen:
        """What the target says of a document.

        :raises SyncError: TGT_NOT_FOUND when it knows none of that name, or an error of the target
        """

    def close(self) -> None:
        """Let go of its connections."""
