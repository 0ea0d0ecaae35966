"""The blocks of a GIF (GIF89a, appendix A): counted without drawing a frame."""

from __future__ import annotations

from typing import BinaryIO

from portal.errors import SyncError

_FRAME, _EXTENSION, _TRAILER = b",", b"!", b";"
_SCREEN_BYTES, _FRAME_BYTES = 13, 9


def count_frames(path: str, most: int) -> int:
    """The frames up to the trailer, or ``most`` + 1 if there are more.

    :raises SyncError: FILE_CORRUPT if the file ends before its trailer
    """
    frames = 0
    with open(path, "rb", buffering=256 * 1024) as file:
        _skip_colours(file, _exactly(file, _SCREEN_BYTES)[10])
        while frames <= most and (block := file.read(1)) != _TRAILER:
            if block == _FRAME:
                frames += 1
                _skip_colours(file, _exactly(file, _FRAME_BYTES)[8])
                _exactly(file, 1)  # how wide the codes are
            elif block == _EXTENSION:
                _exactly(file, 1)  # which one
            elif block == b"\0":
                continue  # some programs write one end too many
            else:
                raise SyncError("FILE_CORRUPT", detail="gif: the end is missing")
            _skip_pieces(file)
    return frames


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise SyncError("FILE_CORRUPT", detail="gif: the end is missing")
    return data


def _skip_colours(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        _exactly(file, 3 << (flags & 7) + 1)


def _skip_pieces(file: BinaryIO) -> None:
    while size := _exactly(file, 1)[0]:
        _exactly(file, size)
