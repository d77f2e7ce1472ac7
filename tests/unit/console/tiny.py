"""A tiny service for the supervisor's tests: it answers /readyz, or ends as it is told."""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ready": true, "parts": {}}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing."""


def serve() -> None:
    """Be ready until killed."""
    HTTPServer(("127.0.0.1", int(os.environ["LEADLOOP_PORT"])), _Ready).serve_forever()


def refuse() -> None:
    """A start that a person must mend."""
    sys.stderr.write('{"level": "error", "because": "LEADLOOP_TOKEN is missing"}\n')
    raise SystemExit(78)


def fall(times: str, counter: str) -> None:
    """Die so many times, then be ready."""
    file = Path(counter)
    fallen = int(file.read_text()) if file.exists() else 0
    if fallen < int(times):
        file.write_text(str(fallen + 1))
        raise SystemExit(70)
    serve()
