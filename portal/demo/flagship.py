"""The demo target: a strict double of the flagship's imaging API, as far as it is published.

It refuses what the real one would have to refuse: missing or mistyped fields, calls out of order,
tokens that are unknown or used up, files that are not what their suffix says, submissions of files
that were never collected. ``success`` is a boolean in one answer and a text in the next.

====== ====================== ====================================================================
GET    ``/_demo/credentials`` what the two logins want
GET    ``/_demo/bills``       ``{resource/scanBillNo: {"billType", "fbillId", "submissions",
                              "files": [{"suffix", "fileType", "size", "sha256"}]}}``
GET    ``/_demo/statistics``  ``{"calls": {name: count}, "collected", "collectedAgain",
                              "refused": {name: count}, "mostInFlight"}``; a file is collected
                              again when the same bytes came for the same bill
GET    ``/_demo/faults``      the faults in force
PUT    ``/_demo/faults``      replaces them, see :class:`FlagshipFaults`
====== ====================== ====================================================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

CREDENTIALS = {
    "appId": "imgmig-demo",
    "appSecret": "demo-Flagship-Secret-1",
    "accountId": "1000001",
    "tenantid": "demo",
    "user": "影像迁移",
    "usertype": "UserName",
}
_LARGEST_REQUEST = 128 * 1024 * 1024
_FILE_TYPES = ("invoice", "cover", "attach")
#: What the first bytes of a file are, by its suffix; the suffixes that are not here have none.
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "jpg": (b"\xff\xd8\xff",),
    "jpeg": (b"\xff\xd8\xff",),
    "png": (b"\x89PNG",),
    "gif": (b"GIF8",),
    "bmp": (b"BM",),
    "tif": (b"II*\x00", b"MM\x00*"),
    "tiff": (b"II*\x00", b"MM\x00*"),
    "webp": (b"RIFF",),
    "pdf": (b"%PDF",),
    "ofd": (b"PK",),
    "docx": (b"PK",),
    "xlsx": (b"PK",),
    "pptx": (b"PK",),
    "zip": (b"PK",),
    "doc": (b"\xd0\xcf\x11\xe0",),
    "xls": (b"\xd0\xcf\x11\xe0",),
    "ppt": (b"\xd0\xcf\x11\xe0",),
    "xml": (b"<", b"\xef\xbb\xbf<"),
    "txt": (b"",),
}
_LETTERS = "".join(chr(code) for code in (*range(65, 91), *range(97, 123), *range(48, 58)))


@dataclass(frozen=True, slots=True)
class FlagshipFaults:
    """Faults to order; what is 0 or empty is off.

    ``expire_after``: calls a token is good for; the call after it is answered 401, or, with
    ``expire_in_envelope``, 200 and ``success: false``. ``error_every``: each so many-th business
    call is answered 500, ``lost_every``: is performed and then answered 500. ``latency``: seconds
    before each answer. ``down``: every call is answered 503. ``drip``: an answer's bytes come so
    many seconds apart. ``refuse_types``: document types that are unknown there. ``forget_every``:
    each so many-th submission is said to be done and is not.
    """

    expire_after: int = 0
    expire_in_envelope: bool = False
    error_every: int = 0
    lost_every: int = 0
    latency: float = 0.0
    down: bool = False
    drip: float = 0.0
    refuse_types: tuple[str, ...] = ()
    forget_every: int = 0

    @classmethod
    def from_mapping(cls, named: dict[str, Any]) -> FlagshipFaults:
        """The faults that are named.

        :raises ValueError: for one that is not known
        """
        unknown = named.keys() - {one.name for one in fields(cls)}
        if unknown:
            raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")
        values = dict(named)
        if "refuse_types" in values:
            values["refuse_types"] = tuple(values["refuse_types"])
        return cls(**values)


class _RefusedError(Exception):
    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(slots=True)
class _File:
    src_path: str
    suffix: str
    kind: str
    size: int
    sha256: str


@dataclass(slots=True)
class _Bill:
    pushed: dict[str, Any]
    collected: dict[str, _File] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)
    submissions: int = 0


def create_demo_target(sleep: Callable[[float], None] = time.sleep) -> Flask:
    """The application; what it holds lives in it, so all requests must reach the same process.

    :param sleep: for latency and drip
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_REQUEST
    _Flagship(sleep).add_to(app)
    return app


class _Flagship:
    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self._faults = FlagshipFaults()
        self._app_tokens: set[str] = set()
        self._tokens: dict[str, int] = {}
        self._bills: dict[tuple[str, str], _Bill] = {}
        self._calls: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._collected = self._collected_again = 0
        self._in_flight = self._most_in_flight = 0
        self._business = self._submits = self._answers = 0

    def add_to(self, app: Flask) -> None:
        """Its routes."""
        for path, view in (
            ("/api/getAppToken.do", self.app_token),
            ("/api/login.do", self.login),
        ):
            app.add_url_rule(path, path, self._served(path, view, login=True), methods=["POST"])
        for path, view in (
            ("/kapi/app/bds/erpBillPush", self.bill_push),
            ("/kapi/app/bds/fileCollect", self.collect),
            ("/kapi/app/bds/scanBillSubmit", self.submit),
            ("/kapi/app/bds/operate", self.operate),
        ):
            app.add_url_rule(path, path, self._served(path, view), methods=["POST"])
        app.add_url_rule("/_demo/credentials", view_func=lambda: CREDENTIALS, endpoint="creds")
        app.add_url_rule("/_demo/bills", view_func=self.bills)
        app.add_url_rule("/_demo/statistics", view_func=self.statistics)
        app.add_url_rule("/_demo/faults", view_func=self.faults, methods=["GET", "PUT"])

    def _served(
        self, path: str, view: Callable[[dict[str, Any]], dict[str, Any]], *, login: bool = False
    ) -> Callable[[], ResponseReturnValue]:
        """One call: counted, with its faults, its token looked at, its answer in the envelope."""
        name = path.rpartition("/")[2]

        def serve() -> ResponseReturnValue:
            with self._lock:
                self._calls[name] += 1
                self._in_flight += 1
                self._most_in_flight = max(self._most_in_flight, self._in_flight)
                faults = self._faults
            try:
                return self._answer(name, view, faults, login=login)
            finally:
                with self._lock:
                    self._in_flight -= 1

        return serve

    def _answer(
        self,
        name: str,
        view: Callable[[dict[str, Any]], dict[str, Any]],
        faults: FlagshipFaults,
        *,
        login: bool,
    ) -> Response:
        body = request.get_json(silent=True)
        if faults.latency:
            self._sleep(faults.latency)
        if faults.down:
            return Response("down", 503)
        try:
            if not login:
                self._check_token(faults)
                self._stumble(faults.error_every)
            if not isinstance(body, dict):
                raise _RefusedError("1400", "请求体不是 JSON 对象")
            with self._lock:
                data = view(body)
            if not login:
                self._stumble(faults.lost_every)
        except _RefusedError as error:
            with self._lock:
                self._refused[name] += 1
            return self._refusal(error, login=login)
        return self._dripped(self._success(data, login=login), faults)

    def _check_token(self, faults: FlagshipFaults) -> None:
        token = request.args.get("access_token", "")
        with self._lock:
            self._business += 1
            calls = self._tokens.get(token)
            if calls is not None and not (faults.expire_after and calls >= faults.expire_after):
                self._tokens[token] = calls + 1
                return
            self._tokens.pop(token, None)
        status = 200 if faults.expire_in_envelope else 401
        raise _RefusedError("401", "access_token 无效或已过期", status)

    def _stumble(self, every: int) -> None:
        if every and self._business % every == 0:
            raise _RefusedError("500", "系统异常", 500)

    def _refusal(self, error: _RefusedError, *, login: bool) -> Response:
        if login:
            data = {"success": False, "error_code": error.code, "error_desc": error.message}
            answer = jsonify(data=data, state="error")
        else:
            self._answers += 1
            said: bool | str = "false" if self._answers % 2 else False
            answer = jsonify(success=said, errorCode=error.code, message=error.message, data=None)
        answer.status_code = error.status
        return answer

    def _success(self, data: dict[str, Any], *, login: bool) -> Response:
        if login:
            return jsonify(data={"success": True, "error_code": "0", **data}, state="success")
        self._answers += 1
        said: bool | str = "true" if self._answers % 2 else True
        return jsonify(success=said, errorCode="0000", message="操作成功", data=data)

    def _dripped(self, answer: Response, faults: FlagshipFaults) -> Response:
        if not faults.drip:
            return answer
        content = answer.get_data()

        def drip() -> Any:
            for number in content:
                self._sleep(faults.drip)
                yield bytes([number])

        return Response(drip(), answer.status_code, content_type=answer.content_type)

    # The two logins.

    def app_token(self, body: dict[str, Any]) -> dict[str, Any]:
        """``getAppToken.do``."""
        for name in ("appId", "appSecret", "accountId"):
            if _required(body, name) != CREDENTIALS[name]:
                raise _RefusedError("10001", f"{name} 不正确")
        if body.get("tenantid", CREDENTIALS["tenantid"]) != CREDENTIALS["tenantid"]:
            raise _RefusedError("10002", "tenantid 不正确")
        token = secrets.token_hex(20)
        self._app_tokens.add(token)
        return {"app_token": token, "expire_time": int(time.time() * 1000) + 7_200_000}

    def login(self, body: dict[str, Any]) -> dict[str, Any]:
        """``login.do``: an app token is good for one login."""
        kind = _required(body, "usertype")
        if kind not in ("UserName", "Mobile"):
            raise _RefusedError("10003", "usertype 须为 UserName 或 Mobile")
        if _required(body, "apptoken") not in self._app_tokens:
            raise _RefusedError("10004", "apptoken 无效")
        for name in ("user", "accountId"):
            if _required(body, name) != CREDENTIALS[name]:
                raise _RefusedError("10005", f"{name} 不正确")
        self._app_tokens.discard(body["apptoken"])
        token = secrets.token_hex(20)
        self._tokens[token] = 0
        return {"access_token": token, "expire_time": int(time.time() * 1000) + 7_200_000}

    # The business calls.

    def bill_push(self, body: dict[str, Any]) -> dict[str, Any]:
        """``erpBillPush``: what is there already is the same again."""
        number, resource = _required(body, "fscanBillNo"), _required(body, "resource")
        _required(body, "fbillId")
        kind = _required(body, "fbillTypeCode")
        for name in ("fbillTypeDes", "fapplyUserName", "billNo", "taxNo"):
            if not isinstance(body.get(name, ""), str):
                raise _RefusedError("1400", f"{name} 须为文本")
        if kind in self._faults.refuse_types:
            raise _RefusedError("2001", f"单据类型 {kind} 未启用影像")
        bill = self._bills.get((resource, number))
        if bill is None:
            self._bills[resource, number] = _Bill(dict(body))
        else:
            bill.pushed = dict(body)
        return {}

    def collect(self, body: dict[str, Any]) -> dict[str, Any]:
        """``fileCollect``: only base64, and only a file that is what its suffix says."""
        bill = self._bill(body)
        suffix = _required(body, "fileSuffix")
        if body.get("fileType", "attach") not in _FILE_TYPES:
            raise _RefusedError("1400", "fileType 须为 invoice、cover 或 attach")
        if "fileDownUrl" in body:
            raise _RefusedError("1400", "演示目标不下载文件")
        try:
            content = base64.b64decode(_required(body, "base64"), validate=True)
        except (binascii.Error, ValueError):
            raise _RefusedError("2102", "base64 无效") from None
        starts = _MAGIC.get(suffix.lower())
        if starts is None or not content or not content.startswith(starts):
            raise _RefusedError("2103", f"文件内容与后缀 {suffix} 不符")
        digest = hashlib.sha256(content).hexdigest()
        self._collected += 1
        self._collected_again += any(one.sha256 == digest for one in bill.collected.values())
        number = "F" + "".join(secrets.choice(_LETTERS) for _ in range(16))
        kind = body.get("fileType", "attach")
        path = f"/tenant/demo/{digest[:2]}/{number}.{suffix}"
        bill.collected[number] = _File(path, suffix, kind, len(content), digest)
        return {"fileNo": number, "srcPath": path}

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """``scanBillSubmit``: of files that were collected for this very bill."""
        bill = self._bill(body)
        if body.get("isSubmitErp") not in (0, 1, "0", "1"):
            raise _RefusedError("1400", "isSubmitErp 须为 0 或 1")
        if body.get("saveType") not in ("upload", "add"):
            raise _RefusedError("1400", "saveType 须为 upload 或 add")
        given = body.get("fileList")
        if not isinstance(given, list) or not given:
            raise _RefusedError("1400", "fileList 不能为空")
        numbers = []
        for one in given:
            file = bill.collected.get(str(one.get("fileNo"))) if isinstance(one, dict) else None
            if file is None or one.get("srcPath") != file.src_path:
                raise _RefusedError("2201", "fileList 中的文件未采集")
            numbers.append(str(one["fileNo"]))
        self._submits += 1
        every = self._faults.forget_every
        if not every or self._submits % every:
            bill.submitted = numbers if body["saveType"] == "upload" else bill.submitted + numbers
            bill.submissions += 1
        return {}

    def operate(self, body: dict[str, Any]) -> dict[str, Any]:
        """``operate``: of its operations only ``queryBillStatus``."""
        if _required(body, "operateType") != "queryBillStatus":
            raise _RefusedError("1400", "不支持的 operateType")
        data = body.get("data")
        if not isinstance(data, dict):
            raise _RefusedError("1400", "data 不能为空")
        key = (_required(data, "resource"), _required(data, "scanBillNo"))
        bill = self._bills.get(key)
        if bill is None or not bill.submissions:
            raise _RefusedError("2301", "影像单据不存在")
        return {"imageStatus": "2", "billType": bill.pushed["fbillTypeCode"]}

    def _bill(self, body: dict[str, Any]) -> _Bill:
        key = (_required(body, "resource"), _required(body, "scanBillNo"))
        kind, bill = _required(body, "billType"), self._bills.get(key)
        if bill is None:
            raise _RefusedError("2101", "影像单据不存在，请先推送单据")
        if bill.pushed["fbillTypeCode"] != kind:
            raise _RefusedError("2104", "billType 与推送的单据不一致")
        return bill

    # What it tells of itself.

    def bills(self) -> dict[str, Any]:
        """What it holds: each bill with the files that were submitted."""
        with self._lock:
            return {
                f"{resource}/{number}": {
                    "billType": bill.pushed["fbillTypeCode"],
                    "fbillId": bill.pushed["fbillId"],
                    "submissions": bill.submissions,
                    "files": [_shown(bill.collected[one]) for one in bill.submitted],
                }
                for (resource, number), bill in self._bills.items()
            }

    def statistics(self) -> dict[str, Any]:
        """What happened so far."""
        with self._lock:
            return {
                "calls": dict(self._calls),
                "refused": dict(self._refused),
                "collected": self._collected,
                "collectedAgain": self._collected_again,
                "mostInFlight": self._most_in_flight,
            }

    def faults(self) -> ResponseReturnValue:
        """The faults in force, or others."""
        if request.method == "PUT":
            named = request.get_json(force=True, silent=True)
            try:
                self._faults = FlagshipFaults.from_mapping(named or {})
            except (ValueError, TypeError, AttributeError) as error:
                return jsonify(error=str(error)), 400
        return jsonify(asdict(self._faults))


def _required(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise _RefusedError("1400", f"{name} 不能为空，且须为文本")
    return value


def _shown(file: _File) -> dict[str, Any]:
    return {
        "suffix": file.suffix,
        "fileType": file.kind,
        "size": file.size,
        "sha256": file.sha256,
    }
