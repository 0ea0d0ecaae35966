"""The four calls of the source contract, version 1, and two lists that a profile may name."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Blueprint, Response, request

from portal.demo.bodies import counted, short, sliced, stalling
from portal.demo.envelope import RefusedError, success
from portal.demo.faults import FaultGate, FileFault
from portal.demo.names import BILL_TYPES, ORGANISATIONS
from portal.demo.options import DemoOptions
from portal.demo.queries import read_filter, read_page
from portal.demo.sums import Group, total
from portal.demo.tenant import StoredFile, Tenant
from portal.demo.tokens import VALID_FOR, Tokens
from portal.demo.traffic import Traffic

_CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "tif": "image/tiff",
    "pdf": "application/pdf",
    "ofd": "application/ofd",
    "xml": "application/xml",
}
_FOREIGN = "http://elsewhere.invalid"
_LOGIN_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>登录</title></head><body>请先登录</body></html>\n"
)


class Contract:
    """The calls over one tenant.

    :param clock: monotonic seconds
    :param sleep: waits so many seconds, for latency and stalls
    """

    def __init__(
        self,
        options: DemoOptions,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.tenant = Tenant(options)
        self.gate = FaultGate(options.faults, clock)
        self.traffic = Traffic(options.documents * Tenant.MOST_FILES)
        self._tokens = Tokens(options.credentials)
        self._sleep = sleep

    def blueprint(self) -> Blueprint:
        """The routes."""
        calls = Blueprint("contract", __name__)
        login = "/archivebase/scan/login/token"
        calls.add_url_rule(login, "token", self.token, methods=["POST"])
        base = "/imgsys/migrate/v1"
        calls.add_url_rule(f"{base}/count", "count", self.count, methods=["POST"])
        calls.add_url_rule(f"{base}/documents", "documents", self.documents, methods=["POST"])
        calls.add_url_rule(f"{base}/files/<file_id>", "files", self.files, methods=["GET"])
        lists = ["GET", "POST"]
        calls.add_url_rule(
            f"{base}/organisations", "organisations", self.organisations, methods=lists
        )
        calls.add_url_rule(f"{base}/billTypes", "billTypes", self.bill_types, methods=lists)
        calls.before_request(self._admit)
        return calls

    def _admit(self) -> None:
        """What comes before every call: latency and an outage, then rate and token but at login."""
        call = (request.endpoint or "").removeprefix("contract.")
        self.traffic.called(call)
        faults = self.gate.faults
        if faults.latency:
            self._sleep(faults.latency)
        if faults.down:
            raise RefusedError("503", "系统维护中", status=503)
        if call == "token":
            return
        if not self.gate.lets_through():
            self.traffic.throttled()
            wait = faults.retry_after
            headers = {} if wait is None else {"Retry-After": str(wait)}
            raise RefusedError("429", "请求过于频繁", status=429, headers=headers)
        self._tokens.check(_token(), faults.expire_after)

    def token(self) -> Response:
        """Call 1."""
        body = request.get_json(force=True, silent=True)
        token = self._tokens.login(body if isinstance(body, dict) else {})
        return success({"accessToken": token, "expiresTime": VALID_FOR})

    def count(self) -> Response:
        """Call 2."""
        wanted = read_filter(request.get_json(force=True, silent=True))
        groups = list(self.tenant.groups(wanted))
        totals = total(group.totals for group in groups)
        return success(
            {
                "documents": totals.documents,
                "files": totals.files,
                "bytes": totals.bytes,
                "groups": [_group(group) for group in groups],
            }
        )

    def documents(self) -> Response:
        """Call 3."""
        body = request.get_json(force=True, silent=True)
        wanted, (page_no, page_size) = read_filter(body), read_page(body)
        host = request.host_url.rstrip("/")
        found, rows = self.tenant.page(wanted, page_no, page_size, host)
        return success({"total": found, "pageNo": page_no, "pageSize": page_size, "rows": rows})

    def organisations(self) -> Response:
        """No call of the contract: the organisations, for profiles that name its path."""
        rows = [{"code": one.code, "name": one.name} for one in ORGANISATIONS]
        return success({"rows": rows})

    def bill_types(self) -> Response:
        """As for organisations."""
        return success({"rows": [{"code": one.code, "name": one.name} for one in BILL_TYPES]})

    def files(self, file_id: str) -> Response:
        """Call 4."""
        file = self.tenant.file(file_id)
        if file is None:
            raise RefusedError("404", "文件不存在", status=404)
        fault = self.gate.file_fault(file_id)
        if fault is FileFault.SERVER_ERROR:
            raise RefusedError("503", "服务暂不可用", status=503)
        if fault is FileFault.NOT_FOUND:
            raise RefusedError("404", "文件不存在", status=404)
        if fault is FileFault.REDIRECT:
            return Response(status=302, headers={"Location": f"{_FOREIGN}/{file_id}"})
        if fault is FileFault.HTML_PAGE:
            return Response(_LOGIN_PAGE, content_type="text/html; charset=utf-8")
        return self._sent(file, fault)

    def _sent(self, file: StoredFile, fault: FileFault | None) -> Response:
        etag = f'"{file.sha256}"'
        start, stop, partial = _wanted_range(file.size, etag)
        pieces = sliced(file.parts, start, stop)
        body: Iterable[bytes] = pieces
        if fault is FileFault.STALL:
            body = stalling(pieces, lambda: self._sleep(self.gate.faults.stall_seconds))
        elif fault is FileFault.SHORT_BODY:
            body = short(pieces, request.environ)
        if request.method == "GET":
            self.traffic.downloading(file.position)
        response = Response(
            counted(body, self.traffic.sent),
            206 if partial else 200,
            content_type=_CONTENT_TYPES[file.plan.suffix],
        )
        response.headers["Content-Length"] = str(stop - start)
        response.headers["ETag"] = etag
        response.headers["Accept-Ranges"] = "bytes"
        if partial:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
        return response


def _token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.args.get("access_token")


def _group(group: Group) -> dict[str, Any]:
    totals = group.totals
    return {
        "month": group.month,
        "orgCode": group.org_code,
        "billTypeCode": group.bill_type_code,
        "documents": totals.documents,
        "files": totals.files,
        "bytes": totals.bytes,
        "amount": f"{totals.cents // 100}.{totals.cents % 100:02d}",
    }


def _wanted_range(size: int, etag: str) -> tuple[int, int, bool]:
    """Start and stop of the bytes asked for, and whether that is by a Range header.

    A header that cannot be understood, asks for several ranges, or is bound by If-Range to other
    bytes than these means the whole file, as RFC 9110 has it.

    :raises RefusedError: HTTP 416, the range lies beyond the end
    """
    wanted = request.range
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return 0, size, False
    if request.headers.get("If-Range", etag) != etag:
        return 0, size, False
    found = wanted.range_for_length(size)
    if found is None:
        headers = {"Content-Range": f"bytes */{size}"}
        raise RefusedError("416", "请求的范围超出文件", status=416, headers=headers)
    return found[0], found[1], True
