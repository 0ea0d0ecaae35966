"""Chinese first, English by switch: the choice is kept in the session."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, current_app, has_request_context, request, session
from flask_babel import Babel, get_locale

from portal.htmx import current_page, is_htmx
from portal.runtime import current_portal
from portal.settings import LOCALES
from portal.sub_path import this_page

TRANSLATIONS = Path(__file__).parent / "translations"


def init_app(app: Flask, *, default: str, timezone: str) -> None:
    """Choose the language of every request."""
    Babel(
        app,
        default_locale=default,
        default_timezone=timezone,
        default_translation_directories=str(TRANSLATIONS),
        locale_selector=_select,
    )
    app.jinja_env.globals["page_to_stay_on"] = page_to_stay_on


def language() -> str:
    """``zh`` or ``en``, for the catalogues of errors and statuses."""
    locale = get_locale()
    return "zh" if locale is None or locale.language == "zh" else "en"


def choose(locale: str) -> None:
    """Keep a choice; anything we do not have is passed over."""
    if is_known(locale):
        session["locale"] = locale


def is_known(locale: str) -> bool:
    """Whether we have that language."""
    return locale in LOCALES


def page_to_stay_on() -> str:
    """The page's own address, or nothing where only a post leads to it; of a part, its page's."""
    if is_htmx():
        return current_page()
    adapter = current_app.create_url_adapter(request)
    can_be_shown = adapter is not None and adapter.test(method="GET")
    return this_page() if can_be_shown else ""


def _select() -> str:
    chosen = session.get("locale") if has_request_context() else None
    return chosen if chosen in LOCALES else current_portal().settings.locale
