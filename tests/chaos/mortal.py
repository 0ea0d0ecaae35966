"""Makes the processes of an installation die at the moments of a plan.

Named in ``XXL_JOB_HANDLER_MODULES``, it is imported by every process at its start, and puts a
step behind functions of the product: there the process looks whether a moment of the plan has
come, and if so kills itself with SIGKILL, at that very place in the program.
"""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

import executor.claims
import executor.parcels
import executor.performing
import executor.runs
import portal.runtime
import portal.services
import portal.services.discovery
import portal.services.leases
import portal.services.outcomes
import portal.services.sweeping
from executor import Executor
from executor.admins import AdminClient
from executor.parcels import Reservation
from portal.jobs import Following
from portal.services.desk import LedgerDesk
from portal.services.discovery import Discovery
from portal.sync.archive.local import LocalArchive
from portal.sync.archive.s3.archive import S3Archive
from portal.sync.transfer.incoming import Incoming
from portal.sync.transfer.work import Claim
from portal.tasks.cleaning import Cleaner
from tests.chaos.plan import Moment, Plan

PLAN_VARIABLE = "CHAOS_PLAN"
_ROLES = ("worker", "agent", "web")
_When = Callable[[tuple[Any, ...], Any], bool]


class _Fate:
    """What this process knows of the plan."""

    def __init__(self, role: str, plan: Plan) -> None:
        self._role = role
        self._plan = plan
        self._born = time.time()
        self._passages: Counter[Moment] = Counter()
        self._lock = threading.Lock()
        self.held: dict[int, Claim] = {}

    def passing(self, point: str) -> None:
        """Die here, if that is planned."""
        point = f"{self._role}.{point}"
        with self._lock:
            for moment in self._plan.released():
                if moment.point == point:
                    self._passages[moment] += 1
                    if self._passages[moment] >= moment.passage and self._plan.use(moment):
                        self._die(moment)

    def _die(self, moment: Moment) -> None:
        held = list(self.held.values())
        self._plan.record(
            moment,
            at=time.time(),
            pid=os.getpid(),
            lived=round(time.time() - self._born, 2),
            held_documents=len(held),
            held_files=sum(len(claim.files) for claim in held),
        )
        os.kill(os.getpid(), signal.SIGKILL)


def _behind(
    owner: Any, name: str, point: str, fate: _Fate, when: _When = lambda _args, _result: True
) -> None:
    """Pass a point whenever a function has done its work."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def mortal(*args: Any, **words: Any) -> Any:
        result = original(*args, **words)
        if when(args, result):
            fate.passing(point)
        return result

    setattr(owner, name, mortal)


def sealing_functions() -> list[tuple[Any, str]]:
    """The functions that seal the audit trail, where the product has such."""
    found = []
    for module in pkgutil.iter_modules(portal.services.__path__):
        if "seal" in module.name:
            imported = importlib.import_module(f"portal.services.{module.name}")
            found += [
                (imported, name)
                for name, value in vars(imported).items()
                if "seal" in name
                and callable(value)
                and getattr(value, "__module__", "") == imported.__name__
                and not isinstance(value, type)
            ]
    return found


def _watch_what_is_held(fate: _Fate) -> None:
    """So that a kill can tell how many files it makes the others fetch again."""
    claim, settle, release = LedgerDesk.claim, LedgerDesk.settle, LedgerDesk.release

    def claiming(self: LedgerDesk, limit: int) -> list[Claim]:
        claims = claim(self, limit)
        fate.held.update((one.item_id, one) for one in claims)
        return claims

    def settling(self: LedgerDesk, results: Any) -> Any:
        refused = settle(self, results)
        for result in results:
            fate.held.pop(result.claim.item_id, None)
        return refused

    def releasing(self: LedgerDesk, held: Any) -> None:
        release(self, held)
        for one in held:
            fate.held.pop(one.item_id, None)

    LedgerDesk.claim = claiming  # type: ignore[method-assign]
    LedgerDesk.settle = settling  # type: ignore[method-assign]
    LedgerDesk.release = releasing  # type: ignore[method-assign]


def _be_mortal(fate: _Fate) -> None:
    def some(_args: tuple[Any, ...], result: Any) -> bool:
        return bool(result)

    def parcels(_args: tuple[Any, ...], reservation: Reservation) -> bool:
        return bool(reservation.parcels)

    def stages(args: tuple[Any, ...], _result: Any) -> bool:
        return bool(args[1])

    _watch_what_is_held(fate)
    for owner, name, point, when in (
        (LedgerDesk, "claim", "claimed", some),
        (Incoming, "write", "body", None),
        (LocalArchive, "publish", "published", stages),
        (S3Archive, "publish", "published", stages),
        (Path, "rename", "placing", lambda args, _result: ".incoming" in str(args[0])),
        (S3Archive, "_store", "placing", None),
        (portal.services.outcomes, "settle", "recording", None),  # in its transaction
        (LedgerDesk, "settle", "recorded", None),
        (LocalArchive, "remove", "removing", None),
        (S3Archive, "remove", "removing", None),
        (Discovery, "_record_count", "counted", None),
        (portal.services.discovery, "record_documents", "page_uncommitted", None),
        (Discovery, "_record", "page_committed", None),
        (executor.claims, "claim", "run_taken", some),  # in its transaction
        (executor.performing, "_call_handler", "run_called", None),
        (portal.services.leases, "free_slot", "freeing", None),
        (portal.services.sweeping, "_condemn", "condemned", some),  # in its transaction
        (portal.runtime, "offer", "offered", None),
        (Following, "step", "followed", None),
        (Executor, "append_run_log", "line", None),
        (Executor, "tick", "ticked", None),
        (executor.parcels, "reserve", "reserved", parcels),  # in its transaction
        (AdminClient, "callback", "delivered", None),
        (AdminClient, "registry", "registered", None),
        (Cleaner, "step", "cleaned", None),
        (executor.runs, "accept", "accepting", None),  # in its transaction
        (Executor, "accept", "accepted", None),
        (Flask, "full_dispatch_request", "answering", None),
    ):
        _behind(owner, name, point, fate, when or (lambda _args, _result: True))
    for module, name in sealing_functions():
        _behind(module, name, "sealing", fate)


if PLAN_VARIABLE in os.environ and len(sys.argv) > 1 and sys.argv[1] in _ROLES:
    _be_mortal(_Fate(sys.argv[1], Plan(Path(os.environ[PLAN_VARIABLE]))))
