"""Triggering a job as an xxl-job admin does: over HTTP, at the executor's own endpoint."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from executor.admins import plain_session
from portal.errors import PortalError

_TIMEOUT = 3.0  # what admins give the executor (protocol facts 1.5)


class TriggerRefused(PortalError):
    """The executor did not take the trigger."""


@dataclass(slots=True)
class AdminTrigger:
    """One trigger of an admin of version 2.4, and its rolling log.

    Every one is a job of its own: when a demo was killed, the run of its job goes on with the
    next start, and DISCARD_LATER would refuse a second run of the same job.
    """

    address: str
    token: str = field(repr=False)
    job_id: int = field(default_factory=lambda: int(time.time()))
    log_id: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    next_line: int = 1
    is_ended: bool = False

    def run(self, parameter: dict[str, Any]) -> None:
        """Trigger DataSyncTask.

        :raises TriggerRefused: when the answer is anything but code 200
        """
        answer = self._post(
            "run",
            {
                "jobId": self.job_id,
                "executorHandler": "DataSyncTask",
                "executorParams": json.dumps(parameter),
                "executorBlockStrategy": "DISCARD_LATER",
                "executorTimeout": 0,
                "logId": self.log_id,
                "logDateTime": self.log_id,
                "glueType": "BEAN",
                "glueSource": "",
                "glueUpdatetime": self.log_id,
                "broadcastIndex": 0,
                "broadcastTotal": 1,
            },
        )
        if answer.get("code") != 200:
            raise TriggerRefused(f"执行器拒绝了触发 the executor refused: {answer.get('msg')}")

    def new_log_lines(self) -> list[str]:
        """The lines of the job log since the last call, as the admin's log page asks for them."""
        answer = self._post(
            "log",
            {"logDateTim": self.log_id, "logId": self.log_id, "fromLineNum": self.next_line},
        )
        page = answer["content"]
        self.is_ended = page["isEnd"]
        if page["toLineNum"] < self.next_line:
            return []
        self.next_line = page["toLineNum"] + 1
        lines: list[str] = page["logContent"].splitlines()
        return lines

    def _post(self, word: str, body: dict[str, Any]) -> dict[str, Any]:
        with plain_session() as session:
            response = session.post(
                f"{self.address.rstrip('/')}/{word}",
                json=body,
                headers={"XXL-JOB-ACCESS-TOKEN": self.token},
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        answer: dict[str, Any] = response.json()
        return answer
