"""The flagship edition (旗舰版、星瀚影像) as a target: its four business calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

from portal.errors import SyncError
from portal.sync.targets.base import Collected, PushDocument, PushFile, Seen
from portal.sync.targets.bodies import Base64Body
from portal.sync.targets.connection import FlagshipConnection
from portal.sync.targets.envelope import TokenStale, business_data, says_unknown, text_of
from portal.sync.targets.tokens import Tokens
from portal.sync.targets.wire import Wire

BILL_PUSH, COLLECT = "/kapi/app/bds/erpBillPush", "/kapi/app/bds/fileCollect"
SUBMIT, OPERATE = "/kapi/app/bds/scanBillSubmit", "/kapi/app/bds/operate"
_FILE_TYPES = {"cover": "cover", "invoice": "invoice", "attachment": "attach"}


class Flagship:
    """See :class:`portal.sync.targets.base.Target`.

    Repeating is harmless because of what is submitted: ``saveType=upload`` replaces the files that
    were there, ``modelType=1`` makes the bill only if there is none, ``isSubmitErp=0`` sets nothing
    going in the ERP.

    :param clock: aware, what a Retry-After date is measured from
    :param pace: waits until the next call may be sent
    """

    def __init__(
        self,
        connection: FlagshipConnection,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
        pace: Callable[[], None] = lambda: None,
    ) -> None:
        self._limit = connection.max_file_bytes
        self._wire = Wire(connection, clock)
        self._tokens = Tokens(self._wire, connection, monotonic)
        self._pace = pace

    def check(self) -> None:
        """Log in anew."""
        self._tokens.current(stale=self._tokens.current())

    def announce(self, document: PushDocument) -> None:
        """``erpBillPush``."""
        fields = {
            "fscanBillNo": document.image_no,
            "fbillId": document.bill_id,
            "fbillTypeCode": document.bill_type_code,
            "resource": document.resource,
            "fbillTypeDes": document.bill_type_name,
            "fapplyUserName": document.applicant,
            "fapplyOrganizationCode": document.org_code,
            "fapplyOrganizationName": document.org_name,
            "billNo": document.bill_no,
            "taxNo": document.tax_no,
        }
        self._call(BILL_PUSH, {name: text for name, text in fields.items() if text})

    def hand_over(self, document: PushDocument, file: PushFile, content: BinaryIO) -> Collected:
        """``fileCollect`` with the file as base64: the archive is private and has no address."""
        if file.size > self._limit:
            raise SyncError("TGT_FILE_TOO_LARGE", name=file.name, size=file.size, limit=self._limit)
        fields = {
            "fileSuffix": file.suffix,
            "fileType": _FILE_TYPES[file.category],
            "scanBillNo": document.image_no,
            "billType": document.bill_type_code,
            "resource": document.resource,
        }
        start = content.tell()

        def body() -> Base64Body:
            content.seek(start)
            return Base64Body(content, file.size, fields)

        call = "fileCollect"
        data = self._call(COLLECT, body)
        return Collected(text_of(data, "fileNo", call), text_of(data, "srcPath", call))

    def submit(self, document: PushDocument, files: Sequence[Collected]) -> None:
        """``scanBillSubmit``."""
        fields = {
            "scanBillNo": document.image_no,
            "resource": document.resource,
            "billType": document.bill_type_code,
            "modelType": 1,
            "saveType": "upload",
            "isSubmitErp": 0,
            "fileList": [{"fileNo": one.file_no, "srcPath": one.src_path} for one in files],
        }
        self._call(SUBMIT, fields)

    def look_up(self, image_no: str, resource: str) -> Seen:
        """``operate`` with ``queryBillStatus``."""
        fields = {
            "operateType": "queryBillStatus",
            "operateId": image_no,
            "data": {"scanBillNo": image_no, "resource": resource},
        }
        try:
            data = self._call(OPERATE, fields)
        except SyncError as error:
            if says_unknown(error):
                raise SyncError("TGT_NOT_FOUND") from None
            raise
        status, kind = data.get("imageStatus"), data.get("billType")
        if status is None and not kind:
            raise SyncError("TGT_NOT_FOUND")
        return Seen("" if status is None else str(status)[:40], str(kind or "")[:255])

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def _call(
        self, path: str, body: Mapping[str, Any] | Callable[[], Base64Body]
    ) -> dict[str, Any]:
        """A call with the token in force, which is renewed once when it is refused."""
        call = path.rpartition("/")[2]
        token = self._tokens.current()
        for is_last in (False, True):
            self._pace()
            try:
                return business_data(self._wire.post(path, body, token=token), call)
            except TokenStale:
                if is_last:
                    break
                token = self._tokens.current(stale=token)
        raise SyncError("TGT_LOGIN", call=call, errcode="401", description="access_token")
