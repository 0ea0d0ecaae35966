"""What anybody sends is bounded, also without a proxy that does it, and before they log in."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask

from portal.app import LARGEST_REQUEST
from portal.services.source_import import LARGEST_FILE


class Counted(BytesIO):
    """What is sent; it counts what was taken of it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


@pytest.mark.parametrize("path", ["/login", "/language", "/sources/import"])
def test_nothing_is_taken_of_what_is_too_large(app: Flask, path: str) -> None:
    upload = Counted(b'--X\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n')
    told = {
        "wsgi.input": upload,
        "CONTENT_TYPE": "multipart/form-data; boundary=X",
        "CONTENT_LENGTH": str(LARGEST_REQUEST + 1),
    }
    answer = app.test_client().post(path, environ_overrides=told)
    assert (answer.status_code, upload.taken) == (413, 0)
    assert "内容过大" in answer.text


def test_the_largest_file_of_settings_would_be_taken() -> None:
    assert LARGEST_REQUEST > LARGEST_FILE + 500_000  # and the form around it
