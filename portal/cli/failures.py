"""What a command says when it fails."""

from __future__ import annotations

import logging
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path

import click
from sqlalchemy.exc import OperationalError, ProgrammingError

from portal.errors import PortalError, SyncError, action, reason
from portal.logs.redaction import redactor
from portal.logs.starting import is_json

logger = logging.getLogger(__name__)

USER_ERROR, PROGRAM_ERROR = 2, 3


def report(error: Exception) -> int:
    """Say it in a sentence; the exit code: 2 what the user can mend, 3 a program error."""
    if is_json():
        return _record(error)
    if isinstance(error, SyncError):
        for language in ("zh", "en"):
            text = reason(error.code, error.params, language)
            click.echo(
                f"{error.code}: {text}. {action(error.code, error.params, language)}", err=True
            )
        return USER_ERROR
    if isinstance(error, PortalError):
        click.echo(f"错误 error: {redactor.redact(str(error))}", err=True)
        return USER_ERROR
    if isinstance(error, OperationalError | ProgrammingError):
        cause = redactor.redact(str(error.orig).splitlines()[0])
        click.echo(f"错误 error: 账本无法使用 the ledger cannot be used: {cause}", err=True)
        return USER_ERROR
    if isinstance(error, OSError) and error.filename is not None:
        click.echo(f"错误 error: {error.filename}: {error.strerror}", err=True)
        return USER_ERROR
    file = _keep(error)
    click.echo(f"内部错误 internal error: {type(error).__name__}；详情 details: {file}", err=True)
    return PROGRAM_ERROR


def _record(error: Exception) -> int:
    """The same for a process whose last words are collected: one record."""
    if isinstance(error, PortalError):
        logger.error("%s", error)
        return USER_ERROR
    logger.critical("ended by %s", type(error).__name__, exc_info=error)
    expected = isinstance(error, OperationalError | ProgrammingError | OSError)
    return USER_ERROR if expected else PROGRAM_ERROR


def _keep(error: Exception) -> Path:
    """Write the trace where support can find it, and only the owner may read it."""
    folder = Path(os.environ.get("IMGMIG_HOME") or "./var").absolute() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"error-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as out:
        out.write(redactor.redact("".join(traceback.format_exception(error))))
    return file
