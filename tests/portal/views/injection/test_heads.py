"""Names, addresses and headers that hold line ends or other hosts change no head of an answer."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.portal.views.injection.hostile import plant
from tests.portal.views.page_scene import PageScene
from tests.portal.views.visitor import Visitor

ELSEWHERE = [
    "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example/",
    "/\t/evil.example", "\r\n//evil.example", "/\r\nX-Evil: 1", "javascript:alert(1)",
    "///evil.example", "//evil.example\\@/", "http:evil.example", "/%0d%0aX-Evil: 1",
    "\x00//evil.example", "////evil.example/..", "／／evil.example",
]  # fmt: skip
NAMES = [
    "a\r\nX-Evil: 1.png", 'a"; filename="evil.exe', "a\u2028\x85b.png", "..\\..\\evil.png",
    "名\ud7ff.png",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_no_next_page_leads_elsewhere(stranger: Visitor, admin: Visitor, target: str) -> None:
    fields = {"csrf_token": admin.token(), "locale": "en", "next": target}
    answers = [
        admin.client.post("/language", data=fields),
        admin.client.get("/login", query_string={"next": target}),
        stranger.client.get("/archive/", headers={"HX-Request": "true", "HX-Current-URL": "x"}),
    ]
    for response in answers:
        assert response.status_code < 500
        assert "X-Evil" not in response.headers
        place = urlsplit(response.headers.get("Location", "/"))
        assert (place.scheme, place.netloc) == ("", "")
        assert place.path.startswith("/")
        assert not place.path.startswith(("//", "/\\"))


@pytest.mark.parametrize(
    "value", ["http://evil.example/a\\b", "http://[", "//x", "\x7f", "a" * 9000]
)
def test_what_htmx_and_the_host_header_say_is_not_believed(
    stranger: Visitor, admin: Visitor, value: str
) -> None:
    headers = {
        "HX-Request": "true", "HX-Current-URL": value, "HX-Target": value, "HX-Trigger": value,
        "Accept-Language": value, "X-Request-Id": value, "Referer": value,
        "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil",
    }  # fmt: skip
    for visitor in (stranger, admin):
        for host in ("evil.example", "evil.example:80", "a_b"):
            for path in ("/", "/archive/", "/nothing", "/login", "/batches/new"):
                given = {**headers, "Host": host}
                response = visitor.client.get(path, headers=given)
                assert response.status_code < 500, (path, host)
                whole = f"{response.headers}"
                assert "evil" not in whole.replace(value, ""), whole
                assert "http://evil.example" not in response.text, path


@pytest.mark.parametrize("name", NAMES)
def test_no_file_name_adds_a_header(scene: PageScene, admin: Visitor, name: str) -> None:
    planted = plant(scene, "plain", name=name)
    page = admin.get(f"/documents/{planted.document_id}")
    downloads = {link for link in page.links if "/files/" in link}
    assert downloads
    for link in downloads:
        with admin.client.get(link) as response:
            assert response.status_code == 200
            assert "X-Evil" not in response.headers
            said = response.headers["Content-Disposition"]
            assert said.count('"') == 2
            assert said.isascii()
            assert said.isprintable()
            assert "\\" not in said


def test_a_language_that_is_none_is_passed_over(admin: Visitor) -> None:
    form = admin.get("/find").form("/language")
    for locale in ("en\r\nX-Evil: 1", "../../etc", "zz", "{{7*7}}", "e" * 5000):
        admin.submit(form, {"locale": locale})
        assert admin.get("/").root.one("html").get("lang") == "zh-Hans"
