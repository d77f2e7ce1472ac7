"""Logs speak of ids, never of people."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROGRAM = """
import structlog
from services.runtime import logs

logs.configure("test", log_format="{form}", level="INFO")

def worked(record):
    email = record["email"]
    raise ValueError("no")

try:
    worked({{"email": "jane" + chr(64) + "example.com"}})
except ValueError:
    structlog.get_logger("test").exception("group_failed", lead_id="1")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_tells_places_and_no_values(form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(form=form)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "worked" in done.stderr
    assert "group_failed" in done.stderr
    assert "jane@" not in done.stderr
    if form == "json":
        assert json.loads(done.stderr)["lead_id"] == "1"
