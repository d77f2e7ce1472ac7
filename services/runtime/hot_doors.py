"""Doors that are knocked at all day: a well-formed request is answered without the framework in between.

A hot door takes only what it understands at once: JSON that validates, and a key of the right length. Anything else goes
on, unread, to FastAPI's door of the same method and path, which words the refusal; so there is one wording, one API
description, and what a hot door does can always be done without it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from services.runtime.login import bears

LONGEST_KEY = 255
"""Characters of an Idempotency-Key."""


@dataclass(frozen=True, slots=True)
class HotDoor:
    """One door: what its body must be, and what answers it."""

    body: type[BaseModel]
    answer: Callable[[Any, str | None, str], Awaitable[tuple[int, Mapping[str, Any]]]]
    """(body, Idempotency-Key, traceparent) -> status and JSON. What it raises is answered by the app's exception handlers."""


Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class HotDoors:
    """The hot doors of one app."""

    def __init__(self, cold: Asgi, token: str | None, body_limit: int) -> None:
        """cold: the app without hot doors; body_limit: bytes of the largest body that is read here."""
        self._cold, self._token, self._body_limit = cold, token, body_limit
        self.doors: dict[tuple[str, str], HotDoor] = {}
        """By method and path."""

    async def let_in(self, scope: Scope, receive: Receive, send: Send, edge: Asgi) -> None:
        """Hand a request that a hot door takes to `edge`, which calls `answer`; every other one to the cold app, whole."""
        key, fits = self._key(Headers(scope=scope))
        if not fits:
            await self._cold(scope, receive, send)
            return
        read: list[Message] = []
        said = await _body(self.doors[scope["method"], scope["path"]].body, receive, read)
        if said is None:
            await self._cold(scope, _again(read, receive), send)
            return
        scope["leadloop.door"], scope["leadloop.said"] = scope["path"], (said, key)
        await edge(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that was let in."""
        door, (said, key) = self.doors[scope["method"], scope["path"]], scope["leadloop.said"]
        try:
            status, content = await door.answer(said, key, scope["leadloop.traceparent"])
        except Exception as error:
            handlers = scope["app"].exception_handlers
            handler: Any = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
            if handler is None:
                raise
            await (await handler(Request(scope), error))(scope, receive, send)
            return
        raw = orjson.dumps(content)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(raw))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": raw})

    def _key(self, headers: Headers) -> tuple[str | None, bool]:
        """The Idempotency-Key, and whether the headers are what a hot door takes: the token, JSON of a known and fair
        length, at most one key."""
        keys, length = headers.getlist("idempotency-key"), headers.get("content-length", "")
        fits = (
            headers.get("content-type") == "application/json"
            and (self._token is None or bears(headers, self._token))
            and length.isdigit()
            and int(length) <= self._body_limit
            and (not keys or (len(keys) == 1 and 1 <= len(keys[0]) <= LONGEST_KEY))
        )
        return (keys[0] if keys else None), fits


async def _body(model: type[BaseModel], receive: Receive, read: list[Message]) -> BaseModel | None:
    """The body, validated as FastAPI does it; None if it is not what it must be. `read`: the messages that it came in."""
    while not read or read[-1].get("more_body", False):
        read.append(await receive())
        if read[-1]["type"] != "http.request":
            return None
    raw = read[0].get("body", b"") if len(read) == 1 else b"".join(message.get("body", b"") for message in read)
    try:
        said: BaseModel = model.__pydantic_validator__.validate_python(json.loads(raw))
    except (ValidationError, ValueError, RecursionError):
        return None
    return said


def _again(read: list[Message], receive: Receive) -> Receive:
    """The same messages once more, then what comes."""
    left = iter(read)

    async def receiving() -> Message:
        message = next(left, None)
        return message if message is not None else await receive()

    return receiving
