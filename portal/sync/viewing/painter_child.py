"""A painter as the web process sees it: a child for one picture, killed when its time is over."""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, BinaryIO, TypeVar, cast

from portal.errors import PROBLEMS, SyncError
from portal.sync.viewing.facts import Facts
from portal.sync.viewing.picture import Rendition
from portal.sync.viewing.refusals import REFUSALS

_log = logging.getLogger(__name__)
Answer = TypeVar("Answer", Rendition, Facts)

#: What a painter says before it looks at the file.
READY = b"R"
#: Seconds until then; generous, as no file is to blame for it.
_START_SECONDS = 20.0
#: No picture is nearly as large, in bytes; whoever sends more is not a painter any longer.
_ANSWER_AT_MOST = 32 * 1024 * 1024
_READ_BYTES = 65536
#: How a process ends that was refused memory outside of Python: the kernel's killer, or a
#: library that gives up (abort, trap, illegal instruction).
_OUT_OF_MEMORY = frozenset({signal.SIGKILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGILL})
#: How JSON that a painter does not write fails to be read.
_NONSENSE = (ValueError, RecursionError, TypeError, LookupError)
#: All a painter needs; keys and passwords in the environment are none of its business.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


@dataclass(frozen=True)
class PaintOrder:
    """What to draw: ``kind`` is what the file is, ``page`` counts from 1, ``width`` in pixels."""

    kind: str
    page: int
    width: int


def paint(file: BinaryIO, order: PaintOrder, seconds: float) -> Rendition:
    """Have a child draw a page of a regular file, within ``seconds`` once it can work.

    The child dies with the calling thread, which waits for it here.

    :raises SyncError: FILE_CORRUPT, FILE_HOSTILE, or INTERNAL if the file is not to blame
    :raises ViewRefused: NoSuchPage or TooLargeToShow
    """
    return _understood(*_answered(file, order, seconds), Rendition.from_bytes)


def tell(file: BinaryIO, order: PaintOrder, seconds: float) -> Facts:
    """Have a child read the facts of a regular file, in the same way.

    :raises SyncError: FILE_CORRUPT, FILE_HOSTILE, or INTERNAL if the file is not to blame
    """
    return _understood(*_answered(file, order, seconds), Facts.from_bytes)


def _answered(file: BinaryIO, order: PaintOrder, seconds: float) -> tuple[bytes, str]:
    """What a child answers, and how it ended."""
    try:
        child = _start(file, order)
    except OSError as error:
        raise _does_not_start(error.strerror or type(error).__name__) from error
    with child:
        try:
            ready = _hear(child, len(READY), _START_SECONDS)
            answer = _hear(child, _ANSWER_AT_MOST, seconds) if ready == READY else b""
        finally:
            child.kill()  # one that is already ending keeps its own reason
    if ready != READY:
        raise _does_not_start(_ending(child.returncode))
    if answer is None:
        raise SyncError("FILE_HOSTILE", detail=f"{seconds:g} s")
    if len(answer) == _ANSWER_AT_MOST:
        raise SyncError("FILE_HOSTILE", detail="too long an answer")
    return answer, _ending(child.returncode)


def _start(file: BinaryIO, order: PaintOrder) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-m", "portal.sync.viewing.painter", str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - our own program; the kind is of our own table
        [*program, order.kind, str(order.page), str(order.width)],
        stdin=file,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )


def _hear(child: subprocess.Popen[bytes], most: int, seconds: float) -> bytes | None:
    """What the child says until it ends, or up to ``most`` bytes; None if its time is over."""
    answers = cast(IO[bytes], child.stdout)
    poller = select.poll()
    poller.register(answers, select.POLLIN)
    deadline = time.monotonic() + seconds
    heard = bytearray()
    while len(heard) < most:
        if not poller.poll(max(deadline - time.monotonic(), 0) * 1000):
            return None
        piece = os.read(answers.fileno(), min(most - len(heard), _READ_BYTES))
        if not piece:
            break
        heard += piece
    return bytes(heard)


def _understood(answer: bytes, ending: str, read: Callable[[bytes], Answer]) -> Answer:
    """The picture or the facts in an answer.

    :raises SyncError: the child's own, or FILE_HOSTILE if the answer is not whole
    """
    failure = _failure(answer)
    if failure is not None:
        raise failure
    try:
        return read(answer)
    except _NONSENSE:
        raise SyncError("FILE_HOSTILE", detail=ending) from None


def _failure(answer: bytes) -> Exception | None:
    """The problem that a painter names instead of a picture."""
    try:
        said = json.loads(answer)
    except _NONSENSE:
        return None  # a picture, or what is left of an answer
    if not isinstance(said, dict):
        return None
    if said.get("trace"):
        _log.error("unexpected error while drawing a file:\n%s", said["trace"])
    code, params = said.get("code"), said.get("params")
    if not isinstance(code, str) or not isinstance(params, dict):
        return None
    try:
        return SyncError(code, **params) if code in PROBLEMS else REFUSALS[code](**params)
    except (KeyError, TypeError):
        return None  # whoever talks like this is not a painter any longer


def _does_not_start(detail: str) -> SyncError:
    return SyncError("INTERNAL", detail=f"the painter does not start: {detail}")


def _ending(code: int) -> str:
    if -code in _OUT_OF_MEMORY:
        return "memory"
    return f"signal {-code}" if code < 0 else f"exit {code}"
