"""A bare HTTP/1.1 client: the load must not cost more than what it loads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit


class Connection:
    """One kept-alive connection to one door."""

    def __init__(self, base_url: str, token: str) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._writer.close()

    async def post(self, path: str, body: Any, key: str | None = None) -> tuple[int, Any]:
        """Status and JSON answer."""
        raw = json.dumps(body).encode()
        extra = f"Idempotency-Key: {key}\r\n" if key else ""
        self._writer.write(
            f"POST {path} HTTP/1.1\r\n{self._head}{extra}Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
            + raw
        )
        return await self._answer()

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON answer."""
        self._writer.write(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())
        return await self._answer()

    async def _answer(self) -> tuple[int, Any]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:]) if k}
        if fields.get("transfer-encoding") == "chunked":
            body = b"".join([chunk async for chunk in self._chunks()])
        else:
            body = await self._reader.readexactly(int(fields.get("content-length", "0")))
        return int(lines[0].split()[1]), json.loads(body) if body else None

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int((await self._reader.readline()).split(b";")[0], 16):
            yield await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readline()

    async def events(self, path: str) -> AsyncIterator[tuple[str, Any]]:
        """Server-sent events: (event name, data). Ends when the server closes."""
        self._writer.write(f"GET {path} HTTP/1.1\r\n{self._head}Accept: text/event-stream\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].decode()
        if " 200 " not in status:
            raise RuntimeError(f"{path} answered {status}")
        buffer = b""
        async for chunk in self._chunks():
            buffer = (buffer + chunk).replace(b"\r\n", b"\n")
            while b"\n\n" in buffer:
                block, buffer = buffer.split(b"\n\n", 1)
                fields = dict(
                    line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and not line.startswith(b":")
                )
                if b"data" in fields:
                    yield fields.get(b"event", b"message").decode(), json.loads(fields[b"data"])
