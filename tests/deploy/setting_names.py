"""Which settings there are, and which a file for the environment names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from portal.errors import SettingsError
from portal.settings import read_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLE = DEPLOY / "imgmig.env"


def known_names() -> set[str]:
    """The names of all settings, from the refusal of one that does not exist."""
    with pytest.raises(SettingsError) as refused:
        read_settings({"PORTAL_NO_SUCH_SETTING": "1"})
    _, _, names = str(refused.value).partition("allowed: ")
    return set(names.split(", "))


def example_lines() -> dict[str, str]:
    """By name, what the example file has, whether or not its line is in force."""
    found = re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE)
    assert len(found) == len(dict(found)), "a setting stands there twice"
    return {name: _only(shlex.split(value)) for name, value in found}


def _only(words: list[str]) -> str:
    (value,) = words
    return value
