"""Secrets do not get through, in whatever form they are written; ordinary words do."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from portal.logs.redaction import HIDDEN, Redactor
from portal.secret_box import SecretBox

SECRET = "p@ss/w:rd%41+ä"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        json.dumps({"a": SECRET}),
        json.dumps({"a": SECRET}, ensure_ascii=False),
        repr(SECRET),
        f"https://host/?q={quote(SECRET)}&x=1",
    ],
)
def test_what_was_learned_is_hidden_in_every_form(form: str) -> None:
    redactor = Redactor()
    redactor.learn(SECRET)
    hidden = redactor.redact(f"before {form} after")
    assert HIDDEN in hidden
    for part in ("p@ss", "w:rd", "p%40ss", "w%3Ard"):
        assert part not in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNl"),
        ("{'Authorization': 'Bearer abc.def.ghi'}", "abc.def"),
        ('{"authorization": "Digest abc def"}', "abc"),
        ("sent Bearer abcdef123456 to it", "abcdef"),
        ("Cookie: imgmig=eyJ1c2VyIjoxfQ; other=xyz", "eyJ"),
        ("Set-Cookie: imgmig=eyJ1c2VyIjoxfQ; Path=/", "eyJ"),
        ("connect postgresql+psycopg://portal:hunter22@db/imgmig failed", "hunter22"),
        ("redis://:hunter22@queue:6379/0", "hunter22"),
        ("proxy http://user:p@ss@proxy:3128", "p@ss"),
        ("GET https://x/y?a=1&access_token=tok12345&b=2", "tok12345"),
        ("GET https://s3/x?X-Amz-Signature=0a1b2c&X-Amz-Credential=AK", "0a1b2c"),
        ("password=hunter22", "hunter22"),
        ("{'clientSecret': 'hunter22'}", "hunter22"),
        ('{"client_secret": "hunter22", "a": 1}', "hunter22"),
        (r'"{\"password\": \"hunter22\"}"', "hunter22"),
        ("PORTAL_S3_SECRET_ACCESS_KEY=hunter22", "hunter22"),
        ("XXL-JOB-ACCESS-TOKEN: hunter22", "hunter22"),
        ("key AKIAIOSFODNN7EXAMPLE was refused", "AKIA"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("https://qyapi.example/cgi-bin/webhook/send?key=0a1b-2c3d", "0a1b-2c3d"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, secret: str) -> None:
    hidden = Redactor().redact(text)
    assert secret not in hidden
    assert HIDDEN in hidden


@pytest.mark.parametrize(
    "text",
    [
        "GET /batches/B20240101-001 200",
        "SRC_TOKEN_REFUSED: the source refused the token",
        "http://127.0.0.1:8000/xxl-job/ answers",
        "mail from a@b.example to c@d.example",
        "2026-01-01 worker host-a.0a1b2c.0: cleaned up, 3 documents freed",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor().redact(text) == text


def test_settings_are_known_by_their_names_and_addresses() -> None:
    redactor = Redactor()
    redactor.learn_environment(
        {
            "XXL_JOB_ACCESS_TOKEN": "first-token, second-token",
            "PORTAL_DATABASE_URL": "mysql://portal:db%21pass@host/x",
            "PORTAL_S3_ACCESS_KEY_ID": "minio-user",
            "PORTAL_SECRET_KEY_FILE": "/run/secrets/key",
            "XXL_JOB_ALLOW_NO_TOKEN": "1",
            "OLDPWD": "/srv/imgmig",
        }
    )
    said = "a second-token b db!pass c minio-user d /run/secrets/key 1 /srv/imgmig"
    assert redactor.redact(said) == "a *** b *** c *** d /run/secrets/key 1 /srv/imgmig"


def test_what_is_opened_from_its_box_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor()
    monkeypatch.setattr("portal.secret_box.redactor", redactor)
    stored = SecretBox("k" * 32).close("s3cret-of-a-source")
    config = SecretBox("k" * 32).close(
        json.dumps({"host": "mail.example", "password": "mail-pass", "url": "https://r/key-77"})
    )
    redactor = Redactor()
    monkeypatch.setattr("portal.secret_box.redactor", redactor)
    SecretBox("k" * 32).open(stored)
    SecretBox("k" * 32).open(config)
    said = "s3cret-of-a-source at mail.example with mail-pass and https://r/key-77"
    assert redactor.redact(said) == "*** at mail.example with *** and ***"


def test_it_forgets_the_oldest_and_never_grows_without_end() -> None:
    redactor = Redactor()
    for number in range(220):
        redactor.learn(f"secret-no-{number:05}")
    assert redactor.redact("x secret-no-00219") == "x ***"
    assert redactor.redact("x secret-no-00000") == "x secret-no-00000"
