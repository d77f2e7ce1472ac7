"""Where the demo's alerts arrive: a real HTTP receiver in the demo's own process, as a chat tool would be one."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from services.console.ports import HOST


@dataclass(frozen=True)
class Letter:
    """One message."""

    channel: str
    title: str
    body: str


class Letterbox:
    """The alerts that arrived, as apprise's JSON notifications."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self._url = ""

    def url_of(self, channel: str) -> str:
        """What apprise is to be told as the address of a channel."""
        return f"{self._url}/{channel}"

    @contextlib.contextmanager
    def open(self) -> Iterator[Letterbox]:
        """Receive for as long as the block lasts."""
        letterbox = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                said = json.loads(body)
                channel = self.path.rsplit("/", 1)[-1]
                letterbox.letters.append(Letter(channel, str(said.get("title", "")), str(said.get("message", ""))))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Nothing: alerts are counted, and their texts are not for the terminal."""

        with ThreadingHTTPServer((HOST, 0), Receiver) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            self._url = f"json://{HOST}:{server.server_address[1]}"
            try:
                yield self
            finally:
                server.shutdown()
                thread.join(5)
