"""The image and the compose files, as far as they can be tried without an engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from portal.cli.main import COMMANDS
from portal.settings import read_settings
from tests.deploy.offline_folder import ROOT, run
from tests.deploy.setting_names import DEPLOY, known_names
from tests.functional.installation import Installation, answers, wait_for

yaml: Any = import_module("yaml")

DOCKERFILE = DEPLOY / "Dockerfile"
ALONE = ("compose.yaml",)
TOGETHER = {
    "alone": ALONE,
    "redis": (*ALONE, "compose.redis.yaml"),
    "minio": (*ALONE, "compose.minio.yaml"),
}
PORTAL = ("upgrade", "web", "worker", "agent")
FILLED_IN = {
    "POSTGRES_PASSWORD": "p" * 48,
    "PORTAL_SECRET_KEY": "k" * 48,
    "XXL_JOB_ACCESS_TOKEN": "t" * 48,
    "ARCHIVE_FOLDER": "/data/archive",
    "REDIS_PASSWORD": "r" * 48,
    "MINIO_USER": "minio",
    "MINIO_PASSWORD": "m" * 48,
    "MINIO_IMAGE": "minio/minio:some",
    "MINIO_CLIENT_IMAGE": "minio/mc:some",
}
_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[?-])([^}]*)\}")


class NotGiven(Exception):
    """A variable that has no default and no value."""


def read(name: str, given: dict[str, str]) -> dict[str, Any]:
    """A compose file with its variables filled in, as the engine does it."""

    def value(match: re.Match[str]) -> str:
        variable, kind, rest = match.groups()
        if given.get(variable):
            return given[variable]
        if kind == ":?":
            raise NotGiven(variable)
        return rest

    text = (DEPLOY / name).read_text()
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    parsed: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, "\n".join(kept)))
    return parsed


def environment(names: tuple[str, ...], service: str) -> dict[str, str]:
    """What a service of the portal is given by these files together."""
    merged: dict[str, str] = {}
    for name in names:
        merged |= read(name, FILLED_IN)["services"].get(service, {}).get("environment", {})
    return {name: "" if value is None else str(value) for name, value in merged.items()}


@pytest.mark.parametrize("kind", TOGETHER)
@pytest.mark.parametrize("service", PORTAL)
def test_the_settings_are_ones_the_portal_takes(kind: str, service: str) -> None:
    given = environment(TOGETHER[kind], service)
    assert set(given) <= known_names()
    settings = read_settings(given)
    assert not settings.makes_token
    assert settings.secret_key() == FILLED_IN["PORTAL_SECRET_KEY"]


@pytest.mark.parametrize("kind", TOGETHER)
def test_nothing_starts_without_passwords_and_tokens_of_ones_own(kind: str) -> None:
    """Each variable that is a secret has no default, neither in the files nor in the example."""
    for name in TOGETHER[kind]:
        wanted = {match[1] for match in _VARIABLE.finditer((DEPLOY / name).read_text())}
        for secret in {one for one in wanted if re.search("PASSWORD|KEY|TOKEN|USER", one)}:
            with pytest.raises(NotGiven, match=secret):
                read(name, FILLED_IN | {secret: ""})


def test_the_example_names_every_variable_and_gives_no_secret() -> None:
    lines = (DEPLOY / "compose.env.example").read_text().splitlines()
    told = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    texts = [(DEPLOY / name).read_text() for name in set(sum(TOGETHER.values(), ()))]
    assert set(told) == {match[1] for text in texts for match in _VARIABLE.finditer(text)}
    assert {name for name, value in told.items() if value} == {
        "PORTAL_TRUSTED_PROXIES",
        "PORTAL_WORKERS",
    }


def test_each_process_runs_a_command_with_few_rights() -> None:
    services = read("compose.yaml", FILLED_IN)["services"]
    for name in PORTAL:
        service = services[name]
        assert service["command"][0] in COMMANDS
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert "privileged" not in service
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in services["postgres"]
    drain = read_settings({}).drain_seconds
    assert int(services["agent"]["stop_grace_period"].removesuffix("s")) >= drain + 30


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions: word and rest, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    words = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(word, rest) for word, rest in words]


def test_the_image_runs_as_a_user_without_rights() -> None:
    assert [rest for word, rest in instructions() if word == "USER"] == ["imgmig"]
    environment = " ".join(rest for word, rest in instructions() if word == "ENV")
    given = dict(pair.split("=", 1) for pair in environment.split())
    read_settings({name: value for name, value in given.items() if name in known_names()})
    assert not set(given) & {"PORTAL_SECRET_KEY", "XXL_JOB_ACCESS_TOKEN"}


@pytest.mark.processes
@pytest.mark.timeout(900)
def test_what_the_image_is_built_by_works(wheelhouse: Path, tmp_path: Path) -> None:
    """Its RUN lines that install, in folders of our own, from wheels alone."""
    build = tmp_path / "build"
    build.mkdir()
    listed = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in listed if line.startswith("!")]
    for name in kept:
        place = wheelhouse.parents[1] / name
        copy = shutil.copytree if place.is_dir() else shutil.copy
        (build / name).parent.mkdir(parents=True, exist_ok=True)
        copy(place, build / name)
    lines = [rest for word, rest in instructions() if word == "RUN" and "useradd" not in rest]
    assert len(lines) == 2
    places = {"/wheels": f"{tmp_path}/wheels", "/opt/imgmig": f"{tmp_path}/opt"}
    program = f'python() {{ {sys.executable} "$@"; }}\n'
    for line in lines:
        ours = re.sub("|".join(places), lambda found: places[found[0]], line)
        run("/bin/sh", "-ec", program + ours, cwd=build)
    assert "worker" in run(tmp_path / "opt" / "bin" / "imgmig", "--help", cwd=tmp_path)


@pytest.mark.processes
def test_the_health_check_tells_life_from_death(tmp_path: Path) -> None:
    (check,) = [rest for word, rest in instructions() if word == "HEALTHCHECK"]
    site = Installation(tmp_path / "home")
    command = json.loads(check[check.index("[") :])
    command = [sys.executable, *(word.replace(":8000", f":{site.port}") for word in command[1:])]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    assert site.run("db", "upgrade").code == 0
    site.start("web")
    wait_for("the portal", lambda: answers(f"{site.address}/healthz"))
    assert subprocess.run(command, check=False).returncode == 0
    site.kill_all()
