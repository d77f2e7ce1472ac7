"""Server-sent events: ids to resume by, a comment now and then to keep the connection, an end when the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

KEEP_ALIVE_SECONDS = 15.0
RETRY_MS = 1000
"""How long a browser waits before it connects again."""


@dataclass(frozen=True, slots=True)
class ServerSent:
    """One event of a stream: `data` is JSON without line breaks, `id` what the client sends back to resume after it.

    Without data only the id is sent: browsers remember it and tell nobody.
    """

    id: str
    event: str
    data: bytes

    def lines(self) -> bytes:
        if not self.data:
            return b"id: %b\n\n" % self.id.encode()
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self.id.encode(), self.event.encode(), self.data)


def last_event_id(request: Request) -> str | None:
    """Where the client wants to go on: the header that browsers send, or the query parameter of the same meaning."""
    return request.headers.get("last-event-id") or request.query_params.get("last_event_id") or None


def event_stream(
    request: Request, batches: AsyncIterator[Sequence[ServerSent]], *, keep_alive_seconds: float = KEEP_ALIVE_SECONDS
) -> StreamingResponse:
    """Answer with the events of `batches` (an async generator) until the client leaves or the service stops."""
    stopping: asyncio.Event = request.app.state.stopping
    return StreamingResponse(
        _lines(batches, stopping, keep_alive_seconds),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _lines(batches: Any, stopping: asyncio.Event, keep_alive_seconds: float) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % RETRY_MS
    stop = asyncio.ensure_future(stopping.wait())
    async with aclosing(batches):
        coming = asyncio.ensure_future(anext(batches))
        try:
            while not stopping.is_set():
                done, _ = await asyncio.wait(
                    {coming, stop}, timeout=keep_alive_seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if coming in done:
                    try:
                        batch: Sequence[ServerSent] = coming.result()
                    except StopAsyncIteration:
                        return
                    if batch:
                        yield b"".join(one.lines() for one in batch)
                    coming = asyncio.ensure_future(anext(batches))
                elif not done:
                    yield b": still here\n\n"
        finally:
            stop.cancel()
            coming.cancel()
            await asyncio.gather(coming, stop, return_exceptions=True)
