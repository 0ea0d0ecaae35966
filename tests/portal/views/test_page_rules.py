"""The checks that every page goes through find what they are there to find."""

from __future__ import annotations

import pytest

from tests.portal.views.html_page import parse
from tests.portal.views.page_rules import complaints, page_complaints, untranslated

GOOD = """<!doctype html>
<html lang="zh-Hans"><head><title>总览 · 门户</title></head>
<body><main><p>a &amp; b<br>c</p>
<form method="post" action="/x"><input type="hidden" name="csrf_token" value="t">
<label>名称 <input name="n"></label><label for="m">m</label><input id="m" name="m">
<button>确定</button></form>
<svg viewBox="0 0 1 1"><rect width="1" height="1"/></svg>
<img src="/a.png" alt="a"></main></body></html>
"""


def test_a_good_page_has_nothing_to_complain_about() -> None:
    root, errors = parse(GOOD)
    assert (errors, page_complaints(root)) == ([], [])


@pytest.mark.parametrize(
    "broken",
    [
        "<div><p>a</div>",
        "<div>",
        "</div>",
        "<p><div>a</div></p>",
        "<span><table></table></span>",
        "<table><td>a</td></table>",
        "<table><tr><td>a</td></tr></table>",
        "<table><tbody><tr>a</tr></tbody></table>",
        "<ul><div>a</div></ul><li>a</li>",
        "<a href='/'><a href='/'>a</a></a>",
        "<button><a href='/'>a</a></button>",
        "<form action='/'><form action='/'></form></form>",
        "<div id='a' id='b'></div>",
        "<div/>",
        "<br></br>",
    ],
)
def test_broken_html(broken: str) -> None:
    assert parse(broken)[1]


@pytest.mark.parametrize(
    "bad",
    [
        "<p id='a'></p><p id='a'></p>",
        "<p id=''></p>",
        "<form method='get'></form>",
        "<form method='post' action='/x'></form>",
        "<form method='POST' action='/x'><input type='hidden' name='csrf_token' value=''></form>",
        "<form action='/x'><input type='hidden' name='csrf_token' value='leaks'></form>",
        "<form action='https://evil.example/x'></form>",
        "<img src='/a.png'>",
        "<img src='//evil.example/a.png' alt='a'>",
        "<input name='a'>",
        "<input id='a' name='a'><label for='b'>a</label>",
        "<select name='a'></select>",
        "<script>alert(1)</script>",
        "<script src='https://cdn.example/x.js'></script>",
        "<style>a {}</style>",
        "<p style='color: red'></p>",
        "<p onclick='x()'></p>",
        "<p hx-on:click='x()'></p>",
        "<a href=' javascript:x()'>a</a>",
    ],
)
def test_bad_parts(bad: str) -> None:
    root, errors = parse(bad)
    assert errors == []
    assert complaints(root)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("<title>总览 · 门户</title>", ""),
        ("<title>总览 · 门户</title>", "<title>a</title><title>b</title>"),
        ("总览 · 门户", " · 门户"),
        ('lang="zh-Hans"', ""),
        ("<main>", "<div>"),
    ],
)
def test_bad_pages(good: str, bad: str) -> None:
    page = GOOD.replace(good, bad)
    page = page.replace("</main>", "</div>") if bad == "<div>" else page
    root, errors = parse(page)
    assert errors == []
    assert page_complaints(root)


def test_chinese_on_an_english_page() -> None:
    root, _ = parse(
        "<p>Batches 批次 of 张伟</p><input placeholder='开头几位'>"
        "<button lang='zh-Hans'>中文</button>"
    )
    assert untranslated(root, data="张伟, 深圳") == ["批次", "开头几位"]
