"""Huey, spoken to in messages of two words: what to look at, and its id."""

from __future__ import annotations

import json
import logging
from typing import Any

from huey import Huey
from huey.consumer import Consumer, Worker

from portal.errors import SyncError
from portal.tasks.reach import Reach
from portal.tasks.stores import open_store

logger = logging.getLogger(__name__)


def read_message(data: bytes) -> tuple[str, int]:
    """The two words of a message.

    :raises ValueError: when it is none of ours
    """
    try:
        word, number = json.loads(bytes(data))
    except TypeError as error:
        raise ValueError("not two words") from error
    if not isinstance(word, str) or not isinstance(number, int):
        raise ValueError("not a word and a number")
    return word, number


class Messages(Huey):  # type: ignore[misc] # Huey has no types
    """A queue that only passes messages on.

    They are no pickles: who may write to the server may have something looked at, and no more.
    Nothing is scheduled, revoked or kept as a result, so nobody asks the server about that.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        super().__init__(name, results=False)
        self.reach = Reach(self.storage, url)
        self._words: dict[str, Any] = {}

    def create_storage(self) -> Any:
        """The store of the URL."""
        return open_store(self._url, self.name)

    def knows(self, word: str, task: Any) -> Any:
        """Have messages of this word perform the task."""
        self._words[word] = task
        return task

    def serialize_task(self, task: Any) -> bytes:
        """The message of a task."""
        return json.dumps([task.name, *task.args]).encode()

    def deserialize_task(self, data: bytes) -> Any:
        """The task of a message.

        :raises ValueError: when it is none of ours
        """
        word, number = read_message(data)
        if word not in self._words:
            raise ValueError("an unknown word")
        return self._words[word].task_class(args=(number,))

    def dequeue(self) -> Any:
        """The next task, or None when there is none or the server is away."""
        try:
            data = self.reach.ask(self.storage.dequeue)
        except SyncError:
            return None
        if data is None:
            return None
        try:
            return self.deserialize_task(data)
        except ValueError as error:
            logger.warning("a message was dropped: %s: %.80r", error, bytes(data))
            return None

    def read_schedule(self, timestamp: Any = None) -> list[Any]:
        """Nothing: no message is for later."""
        return []

    def is_revoked(self, task: Any, timestamp: Any = None, peek: bool = True) -> bool:
        """No: the ledger says what is due."""
        return False

    def delete(self, key: Any) -> bool:
        """Nothing was kept beside the messages."""
        return False


class _Worker(Worker):  # type: ignore[misc] # Huey has no types
    """Waits while the server is away, and lets go of its connections when it ends."""

    def loop(self, now: Any = None) -> None:
        """One message, or a moment's wait."""
        if pause := self.huey.reach.pause():
            self.stop_flag.wait(pause)
        else:
            super().loop(now)

    def shutdown(self) -> None:
        """In the thread that opened them."""
        super().shutdown()
        self.huey.storage.close()


class OneConsumer(Consumer):  # type: ignore[misc] # Huey has no types
    """A consumer that takes messages one by one."""

    worker_class = _Worker
