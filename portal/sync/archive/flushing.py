"""Bytes and entries onto the disk: one by one where there are few, all of them at once for more."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

# From about here on one flush of the file system before those of the files is cheaper.
_ONE_BY_ONE = 12
#: Numbers of statfs(2): ext4, XFS, Btrfs and tmpfs, whose ``syncfs`` leaves nothing to be done.
#: Others may pass it on to nobody, as FUSE does.
_FLUSHED_WHOLE = frozenset({0xEF53, 0x58465342, 0x9123683E, 0x01021994})
_WAIT_BEFORE = 1  # SYNC_FILE_RANGE_WAIT_BEFORE
_STATFS_BYTES = 256
_libc = ctypes.CDLL(None, use_errno=True)
_libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def flush_folders(root: Path, folders: Sequence[Path]) -> None:
    """Have the files in the folders, and the folders' own entries, on the disk.

    ``syncfs`` writes everything in one go. But an error of writing back it tells to one process
    only, and there are several of us: each file tells it to whoever asks first about that file.
    Where ``syncfs`` can be trusted that question costs nothing; ``fsync`` would have the disk
    empty its cache for every file once more.

    :param root: a folder on the same file system
    :raises OSError: when any of it may not have been written
    """
    # Words, not paths: of these there are many.
    files = [f"{folder}/{name}" for folder in folders for name in os.listdir(folder)]
    if len(files) <= _ONE_BY_ONE:
        _flush_each([*files, *map(str, folders)])
        return
    sync_file_system(root)
    if _file_system(root) in _FLUSHED_WHOLE:
        for path in files:
            _ask_for_errors(path)
    else:
        _flush_each(files)


def flush(path: Path | str) -> None:
    """``fsync`` of a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(path: Path) -> None:
    """Flush the whole file system: Python 3.11 has no ``os.syncfs``."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _check(_libc.syncfs(descriptor), path)
    finally:
        os.close(descriptor)


def _flush_each(paths: Iterable[str]) -> None:
    for path in paths:
        flush(path)


def _ask_for_errors(path: str) -> None:
    """Wait for what is being written of a file, of which nothing is left, and hear how it went."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _check(_libc.sync_file_range(descriptor, 0, 0, _WAIT_BEFORE), path)
    finally:
        os.close(descriptor)


def _file_system(path: Path) -> int:
    """The number by which statfs(2) names a file system; its first field, a word."""
    found = ctypes.create_string_buffer(_STATFS_BYTES)
    _check(_libc.statfs(os.fsencode(path), found), path)
    return ctypes.c_long.from_buffer(found).value


def _check(outcome: int, path: Path | str) -> None:
    if outcome != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
