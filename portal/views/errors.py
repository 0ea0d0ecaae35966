"""Errors in the portal's own look, with what to do; never a stack trace."""

from __future__ import annotations

import logging

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from portal.errors import NotFound, SyncError, action, reason
from portal.language import language
from portal.ledger_failures import passes
from portal.request_watch import request_id

logger = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Answer every error by a page."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(NotFound, _not_found)
    app.register_error_handler(SyncError, _failed)
    app.register_error_handler(DBAPIError, _ledger)
    app.register_error_handler(Exception, _unexpected)


def _page(code: int, heading: str, text: str) -> ResponseReturnValue:
    page = render_template(
        "errors/error.html", code=code, heading=heading, text=text, request_id=request_id()
    )
    return page, code


def _http(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if code < 400:
        return error
    known = {
        403: (_("没有权限"), _("您的角色不能使用此功能；如需使用，请联系管理员。")),
        404: (_("没有找到"), _("地址有误，或者内容已被删除。")),
        405: (_("不支持的操作"), _("请从页面上的按钮操作。")),
        413: (_("内容过大"), _("提交的内容超过了限制。")),
    }
    heading, text = known.get(code, (_("请求无效"), _("请返回后重试。")))
    return _page(code, heading, text)


def _csrf(_error: CSRFError) -> ResponseReturnValue:
    return _page(400, _("页面已过期"), _("请返回上一页，刷新后再提交；已登录的会话可能已结束。"))


def _not_found(error: NotFound) -> ResponseReturnValue:
    return _page(404, _("没有找到"), error.text(language()))


def _failed(error: SyncError) -> ResponseReturnValue:
    """What has a name, and a word on what to do."""
    logger.warning("request %s failed", request_id(), exc_info=error)
    said = language()
    heading = reason(error.code, error.params, said)
    return _page(503, heading, action(error.code, error.params, said))


def _ledger(error: DBAPIError) -> ResponseReturnValue:
    """It was begun anew several times already, and nothing of it was written."""
    if not passes(error):
        return _unexpected(error)
    logger.warning("the ledger is busy or away", exc_info=error)
    said = language()
    return _page(503, reason("LEDGER_BUSY", {}, said), action("LEDGER_BUSY", {}, said))


def _unexpected(error: Exception) -> ResponseReturnValue:
    logger.error("unexpected error, request %s", request_id(), exc_info=error)
    text = _("错误已记入日志。请稍后再试；若一直出现，请把编号交给技术支持。")
    return _page(500, _("系统错误"), text)
