"""Real receivers for alerts: an SMTP server and an HTTP server whose faults are a list of data."""

from __future__ import annotations

import asyncio
import email
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.console.ports import free_port

OK, FAIL, HANG, TOO_MANY, GONE = "ok", "500", "hang", "429", "410"
LIE = "200 and garbage"
REDIRECT, ENDLESS, BREAK_OFF, NO_HTTP = "302", "endless", "break off", "no http"
"""Lies: it sends elsewhere, answers without an end, hangs up in the middle, speaks another language."""


@dataclass
class Inbox:
    """What a receiver took, and how often it was asked."""

    faults: list[str] = field(default_factory=list)
    """What happens to the next requests, in order; afterwards all is well."""
    taken: list[Any] = field(default_factory=list)
    asked: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def next_fault(self) -> str:
        self.asked += 1
        return self.faults.pop(0) if self.faults else OK

    async def take(self, it: Any) -> None:
        self.taken.append(it)
        async with self._changed:
            self._changed.notify_all()

    async def holds(self, number: int, timeout: float = 30.0) -> None:
        """Wait until so many were taken."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.taken) >= number)


@dataclass(frozen=True)
class Post:
    """One request that an HTTP receiver took."""

    webhook_id: str
    content: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""


@asynccontextmanager
async def http_receiver(*faults: str) -> AsyncIterator[tuple[str, Inbox]]:
    """`host:port` of a server that takes JSON posts, and its inbox."""
    inbox = Inbox(list(faults))
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = [line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line]
        headers = {name.lower(): value for name, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        fault = inbox.next_fault()
        if fault == HANG:
            await release.wait()
        elif fault == OK:
            await inbox.take(Post(headers.get("webhook-id", ""), json.loads(body), headers, body))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif fault == ENDLESS:
            with suppress(ConnectionError):
                writer.write(b"HTTP/1.1 500 No\r\n\r\n")
                while not release.is_set():
                    writer.write(b"x" * 65536)
                    await writer.drain()
        elif fault == BREAK_OFF:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        elif fault == LIE:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n<html>\xff\x00{")
        elif fault == NO_HTTP:
            writer.write(b"220 mail.example ESMTP\r\n")
        else:
            writer.write(
                f"HTTP/1.1 {fault} No\r\nRetry-After: 1\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", inbox
    finally:
        release.set()
        server.close()


@contextmanager
def smtp_receiver(*faults: str, port: int | None = None) -> Iterator[tuple[str, Inbox]]:
    """`host:port` of a mail server, and its inbox of messages. port: where it was before."""
    inbox = Inbox(list(faults))
    loop = asyncio.get_running_loop()

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
            if inbox.next_fault() != OK:
                return "451 try again later"
            mail: Message = email.message_from_bytes(envelope.content or b"")
            asyncio.run_coroutine_threadsafe(inbox.take(mail), loop)
            return "250 taken"

    port = port or free_port()
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield f"127.0.0.1:{port}", inbox
    finally:
        controller.stop()
