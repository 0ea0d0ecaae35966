"""Sending a file that is kept beside the archive, by whichever host it was made."""

from __future__ import annotations

from typing import BinaryIO

from flask import Response, request
from werkzeug.wsgi import FileWrapper

from portal.browser import FOREIGN_POLICY
from portal.views.saved_names import attachment

_CHUNK = 256 * 1024


def sent(stream: BinaryIO, *, size: int, sha256: str, media_type: str, name: str) -> Response:
    """The file, to be saved under a name; a download that broke off can be gone on with."""
    response = Response(
        FileWrapper(stream, _CHUNK), content_type=media_type, direct_passthrough=True
    )
    response.call_on_close(stream.close)
    response.content_length = size
    response.headers["Content-Disposition"] = attachment(name)
    response.headers["Content-Security-Policy"] = FOREIGN_POLICY
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(sha256)
    try:
        response.make_conditional(request, accept_ranges=True, complete_length=size)
    except BaseException:
        response.close()
        raise
    return response
