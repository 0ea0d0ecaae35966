"""Opening the portal for a command, and the words commands share."""

from __future__ import annotations

import getpass
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portal.errors import PortalError, SettingsError, action, reason
from portal.settings import Settings

if TYPE_CHECKING:
    from portal.runtime import Portal

logger = logging.getLogger(__name__)
as_json = click.option("--json", "as_json", is_flag=True, help="输出 JSON Print JSON.")


class SchemaOutdated(PortalError):
    """The ledger's schema is not the one this program needs."""


@contextmanager
def opened(
    settings: Settings | None = None, *, current: bool = True, any_key: bool = False
) -> Iterator[Portal]:
    """The portal, inside its application context.

    :param current: refuse a ledger whose schema is not up to date, or that other keys belong to
    :param any_key: but take any keys
    :raises SchemaOutdated: then
    :raises SyncError: SECRET_KEY_DIFFERS or EXECUTOR_TOKEN_DIFFERS
    :raises SettingsError: when a setting names what is not installed
    """
    from portal.app import create_app  # noqa: PLC0415 - heavy; not for --help
    from portal.models import utc_now  # noqa: PLC0415
    from portal.runtime import current_portal  # noqa: PLC0415
    from portal.schema import is_current  # noqa: PLC0415
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
        if current and not is_current(portal.ledger):
            raise SchemaOutdated(
                "账本结构不是最新 the schema is not current；先运行 run: imgmig db upgrade"
            )
        if current and not any_key:
            same_keys.check(portal.ledger, portal.keys(), now=utc_now())
        try:
            yield portal
        finally:
            portal.queue.close()
            portal.ledger.close()


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


def log_to(path: Path | None = None) -> None:
    """Logging of a long-running process, to standard error or a file."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        filename=path,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    for chatty in ("huey", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
