"""No number in an address is too large, too small or too odd."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.views.ids import LARGEST_ID
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor

NUMBERS = [
    str(LARGEST_ID),
    str(LARGEST_ID + 1),
    str(2**63),
    "9" * 400,
    "-1",
    "0",
    "１２",
    "1e3",
    "x",
    "",
]


@pytest.mark.parametrize("number", NUMBERS)
def test_no_id_is_an_error_of_ours(
    app: Flask, scene: PageScene, operator: Visitor, number: str
) -> None:
    batch, run = scene.ended("FILE_CORRUPT"), scene.job_run(app, 1)
    for path in (
        f"/batches/?before={number}",
        f"/batches/{batch}/documents?after={number}",
        f"/batches/{batch}/log?before={number}",
        f"/documents/1?file={number}&page={number}",
        f"/jobs/?before={number}",
        f"/jobs/{run}/tail?after={number}",
        f"/notices/?channel={number}",
    ):
        operator.get(path)
    operator.get(f"/batches/live?ids={number},{number}")
    for path in (f"/documents/{number}", f"/files/{number}/picture", f"/files/{number}/download"):
        operator.get(path, status=404)
    operator.get(f"/jobs/{number}/tail", status=404)
