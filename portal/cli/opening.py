"""Opening the portal for a command, and the words commands share."""

from __future__ import annotations

import getpass
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portal.errors import PortalError, SettingsError, SyncError, action, reason
from portal.logs.redaction import redactor
from portal.logs.starting import start
from portal.settings import Settings

if TYPE_CHECKING:
    from portal.runtime import Portal

logger = logging.getLogger(__name__)

as_json = click.option("--json", "as_json", is_flag=True, help="输出 JSON Print JSON.")


class SchemaOutdated(PortalError):
    """The ledger's schema is older than this program needs."""


class RestoreUnfinished(PortalError):
    """What is in the home was being restored, and is not whole."""


@contextmanager
def opened(
    settings: Settings | None = None, *, current: bool = True, any_key: bool = False
) -> Iterator[Portal]:
    """The portal, inside its application context.

    :param current: refuse a ledger on whose schema this program does not work, and a home whose
        restore is not finished
    :param any_key: but take any keys; else the ledger's must be this host's
    :raises SchemaOutdated: then
    :raises SyncError: SCHEMA_TOO_NEW, SECRET_KEY_DIFFERS or EXECUTOR_TOKEN_DIFFERS
    :raises RestoreUnfinished: then
    :raises SettingsError: when a setting names what is not installed
    """
    from portal.app import create_app  # noqa: PLC0415 - heavy; not for --help
    from portal.models import utc_now  # noqa: PLC0415
    from portal.runtime import current_portal  # noqa: PLC0415
    from portal.services import same_keys  # noqa: PLC0415

    try:
        app = create_app(settings)
    except ImportError as error:
        raise SettingsError(
            f"设置要求的模块无法导入 a module the settings ask for cannot be imported: {error}；"
            "检查 check XXL_JOB_HANDLER_MODULES, PORTAL_DATABASE_URL"
        ) from error
    with app.app_context():
        portal = current_portal()
        if current:
            _require_fit(portal)
        if current and not any_key:
            same_keys.check(portal.ledger, portal.keys(), now=utc_now())
        try:
            yield portal
        finally:
            portal.queue.close()
            portal.ledger.close()


def _require_fit(portal: Portal) -> None:
    from portal import schema  # noqa: PLC0415
    from portal.services.backup.restoring import UNFINISHED  # noqa: PLC0415
    from portal.services.schema_fit import Fit  # noqa: PLC0415

    if (portal.settings.home / UNFINISHED).exists():
        raise RestoreUnfinished(
            "恢复尚未完成，再执行一次 the restore is not finished; run again: imgmig restore"
        )
    match schema.fit(portal.ledger):
        case Fit.OUTDATED:
            raise SchemaOutdated(
                "账本结构不是最新 the schema is not current；先运行 run: imgmig db upgrade"
            )
        case Fit.TOO_NEW:
            raise SyncError("SCHEMA_TOO_NEW")
        case Fit.NEWER:
            logger.warning("the schema is newer than this program, which still works on it")


def warn_of_clock(portal: Portal) -> None:
    """Tell the log when this host's clock is off."""
    from portal.services import clocks  # noqa: PLC0415

    problem = clocks.problem(portal.ledger)
    if problem is not None:
        for language in ("zh", "en"):
            words = reason(problem.code, problem.params, language)
            todo = action(problem.code, problem.params, language)
            logger.warning("%s: %s. %s", problem.code, words, todo)


def actor() -> str:
    """Who acts on the command line: the operating system's user."""
    return f"cli:{getpass.getuser()}"


def say(text: str) -> None:
    """A line for people."""
    click.echo(text)


def say_json(value: Any) -> None:
    """A value for scripts, on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def log_to(process: str, settings: Settings, path: Path | None = None) -> None:
    """Logging of a long-running process, to standard error or a file, as the settings want it.

    :param process: which kind it is, as every record says
    """
    redactor.learn(*settings.secrets())
    start(
        process,
        host=socket.gethostname()[:60],
        form=settings.log_format,
        level=settings.log_level,
        path=path,
    )
