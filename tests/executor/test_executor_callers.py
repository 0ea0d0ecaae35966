"""Who may call: networks, proxies, tokens."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from executor.protocol import texts
from tests.executor.executor_rig import TOKEN, Database, Rig

NETWORKS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def answer(rig: Rig, peer: str, forwarded: str | None = None) -> str:
    headers = {"XXL-JOB-ACCESS-TOKEN": TOKEN}
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    response = rig.client.post("/xxl-job/beat", headers=headers, environ_base={"REMOTE_ADDR": peer})
    assert response.status_code == 200
    return str(response.get_json()["msg"])


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("10.1.2.3", True),
        ("fd00::1", True),
        ("::ffff:10.1.2.3", True),
        ("fd00::1%eth0", True),
        ("11.1.2.3", False),
        ("::1", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_only_allowed_networks_are_answered(database: Database, peer: str, allowed: bool) -> None:
    rig = Rig(database, allowed_networks=NETWORKS)
    assert answer(rig, peer) == (texts.SUCCESS if allowed else texts.FOREIGN_NETWORK)


def test_header_anybody_may_send_counts_only_behind_trusted_proxies(database: Database) -> None:
    rig = Rig(database, allowed_networks=NETWORKS)
    assert answer(rig, "192.0.2.1", "10.1.2.3") == texts.FOREIGN_NETWORK


@pytest.mark.parametrize(
    ("forwarded", "allowed"),
    [
        ("10.1.2.3", True),
        ("192.0.2.1, 10.1.2.3", True),
        ("10.1.2.3, 192.0.2.1", False),
        ("", False),
        (None, False),
        ("nonsense", False),
    ],
)
@pytest.mark.parametrize("has_proxy_fix", [False, True])
def test_behind_one_proxy_its_word_counts(
    database: Database, forwarded: str | None, allowed: bool, has_proxy_fix: bool
) -> None:
    rig = Rig(database, allowed_networks=NETWORKS, trusted_proxies=1)
    if has_proxy_fix:
        rig.app.wsgi_app = ProxyFix(rig.app.wsgi_app)  # type: ignore[method-assign]
    expected = texts.SUCCESS if allowed else texts.FOREIGN_NETWORK
    assert answer(rig, "172.16.0.1", forwarded) == expected


def test_network_comes_before_everything_else(database: Database) -> None:
    rig = Rig(database, allowed_networks=NETWORKS)
    response = rig.client.get("/xxl-job/nowhere")
    assert response.get_json()["msg"] == texts.FOREIGN_NETWORK
