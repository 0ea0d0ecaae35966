"""An xxl-job executor for Flask applications.

Triggers, results and job logs live in the application's database, so that nothing an admin was
told is lost when a process dies, and any process can answer for any run. See :class:`Executor`.
"""

from .addresses import shown_address
from .context import JobContext
from .current import current_executor, finish
from .errors import JobFailed
from .handlers import job_handler
from .models import RunInfo
from .protocol.dialects import AdminProtocol
from .protocol.texts import LogMarkup
from .service import Executor
from .settings import ExecutorSettings

__all__ = [
    "AdminProtocol",
    "Executor",
    "ExecutorSettings",
    "JobContext",
    "JobFailed",
    "LogMarkup",
    "RunInfo",
    "current_executor",
    "finish",
    "job_handler",
    "shown_address",
]
