"""Following a stream of server-sent events, across breaks, without missing one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

_PAUSE_SECONDS = 0.3


async def follow(
    client: httpx.AsyncClient, url: str, listening: asyncio.Event | None = None
) -> AsyncIterator[dict[str, Any]]:
    """The JSON of every event from now on; `listening` is set once the stream is open."""
    last: str | None = None
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last is not None else {})
        try:
            async with client.stream("GET", url, headers=headers, timeout=httpx.Timeout(10, read=60)) as answer:
                answer.raise_for_status()
                if listening is not None:
                    listening.set()
                data: list[str] = []
                async for line in answer.aiter_lines():
                    field, _, value = line.partition(":")
                    value = value.removeprefix(" ")
                    if field == "id":
                        last = value
                    elif field == "data":
                        data.append(value)
                    elif not line and data:
                        yield json.loads("\n".join(data))
                        data = []
        except httpx.HTTPError:
            pass  # the service is being started again: the stream is resumed where it broke
        await asyncio.sleep(_PAUSE_SECONDS)
