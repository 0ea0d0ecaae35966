"""The real application with its executor, called as an admin would call it, run step by step."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select

from executor.models import ExecutorRun
from executor.statuses import RunStatus as JobStatus
from portal.jobs import Following
from portal.models import JobBatch, utc_now
from portal.runtime import Portal
from tests.portal.ledger_scene import Scene

TOKEN = "a-token-for-tests"


class JobRig:
    """Triggers DataSyncTask; the worker and the agent work only when they are told to."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.portal: Portal = app.extensions["portal"]
        self.scene = Scene(self.portal.ledger)
        self.following = Following(
            self.portal.ledger, self.portal.executor, self.portal.settings.timezone
        )
        self._client = app.test_client()

    def call(self, word: str, body: Any) -> dict[str, Any]:
        response = self._client.post(
            f"/xxl-job/{word}", json=body, headers={"XXL-JOB-ACCESS-TOKEN": TOKEN}
        )
        assert response.status_code == 200
        answer: dict[str, Any] = response.get_json()
        return answer

    def trigger(self, log_id: int, parameter: Any = "", **fields: Any) -> None:
        text = parameter if isinstance(parameter, str) else json.dumps(parameter)
        answer = self.call(
            "run",
            {
                "jobId": 7,
                "executorHandler": "DataSyncTask",
                "executorParams": text,
                "executorBlockStrategy": "SERIAL_EXECUTION",
                "executorTimeout": 0,
                "logId": log_id,
                "logDateTime": 1_700_000_000_000,
                "glueType": "BEAN",
                "broadcastIndex": 0,
                "broadcastTotal": 1,
                **fields,
            },
        )
        assert answer["code"] == 200, answer

    def perform(self) -> None:
        """Be the worker: execute what is queued."""
        with self.portal.ledger.read() as session:
            queued = select(ExecutorRun.id).where(ExecutorRun.status == JobStatus.QUEUED.value)
            run_ids = list(session.scalars(queued.order_by(ExecutorRun.id)))
        with self.app.app_context():
            for run_id in run_ids:
                self.portal.executor.perform(run_id, worker="w1")
        # Handlers go by the real clock; what they made due is due in the scene too.
        self.scene.now = max(self.scene.now, utc_now())

    def run(self, log_id: int, parameter: Any = "", **fields: Any) -> None:
        self.trigger(log_id, parameter, **fields)
        self.perform()

    def follow(self, seconds: float = 0) -> None:
        """Be the agent, so many seconds later."""
        self.scene.advance(seconds)
        self.following.step(self.scene.now)

    def row(self, log_id: int) -> ExecutorRun:
        with self.portal.ledger.read() as session:
            return session.scalars(select(ExecutorRun).where(ExecutorRun.log_id == log_id)).one()

    def status(self, log_id: int) -> JobStatus:
        return JobStatus(self.row(log_id).status)

    def result(self, log_id: int) -> tuple[int | None, str]:
        row = self.row(log_id)
        return row.handle_code, row.handle_message or ""

    def log(self, log_id: int) -> str:
        query = {"logDateTim": 1, "logId": log_id, "fromLineNum": 1}
        text: str = self.call("log", query)["content"]["logContent"]
        return text

    def followed(self, log_id: int) -> list[int]:
        run_id = self.row(log_id).id
        with self.portal.ledger.read() as session:
            query = select(JobBatch.batch_id).where(JobBatch.run_id == run_id)
            return list(session.scalars(query.order_by(JobBatch.batch_id)))

    def time_out(self, log_id: int) -> None:
        """Let the run's time limit pass; the agent's next tick sees it."""
        deadline = self.row(log_id).deadline_at
        assert deadline is not None
        self.portal.executor.tick(deadline + timedelta(seconds=1))
