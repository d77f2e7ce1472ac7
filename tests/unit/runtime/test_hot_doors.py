"""A hot door answers what the cold one answers, word for word; it only takes another way to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Header
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse

from services.runtime.appending import BrokerAway
from services.runtime.health import Health
from services.runtime.http import BODY_LIMIT, HotDoor, Problem, Request, add_hot_door, create_app, trace_of
from services.runtime.settings import Settings

TOKEN = "a-token-for-tests"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FAIR = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", "traceparent": TRACE}
GOOD = b'{"name": "Jo", "number": 2}'


class Order(Request):
    name: str
    number: int = 1


async def taken(said: Order, key: str | None, traceparent: str) -> tuple[int, dict[str, Any]]:
    match said.name:
        case "problem":
            raise Problem(409, "Not now", "The kitchen is closed.")
        case "away":
            raise BrokerAway("the broker did not acknowledge in time")
        case "late":
            raise TimeoutError
        case "unforeseen":
            raise ZeroDivisionError
    return 202, {"name": said.name, "number": said.number, "key": key, "trace": traceparent[:35]}


def an_app(folder: Path, *, hot: bool) -> FastAPI:
    settings = Settings(bootstrap_servers="nowhere:1", secret=b"x" * 32, token=TOKEN, data_dir=folder)
    app = create_app("a service for tests", settings, Health())

    @app.post("/v1/orders", status_code=202)
    async def order(
        request: HttpRequest,
        said: Order,
        key: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)] = None,
    ) -> JSONResponse:
        status, content = await taken(said, key, trace_of(request))
        return JSONResponse(content, status)

    if hot:
        add_hot_door(app, "POST", "/v1/orders", HotDoor(Order, taken))
    return app


async def answer(app: FastAPI, headers: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.post("/v1/orders", content=body, headers=headers)
    said = {
        name: response.headers[name]
        for name in ("content-type", "www-authenticate", "retry-after")
        if name in response.headers
    }
    return response.status_code, json.loads(response.content), said | {"trace": response.headers["traceparent"][:35]}


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, GOOD),
        ({"Idempotency-Key": "k-1"}, GOOD),
        ({"Idempotency-Key": ""}, GOOD),
        ({"Idempotency-Key": "k" * 256}, GOOD),
        ({"Authorization": "Bearer wrong"}, GOOD),
        ({"Authorization": ""}, GOOD),
        ({"Content-Type": "text/plain"}, GOOD),
        ({"Content-Type": "application/json; charset=utf-8"}, GOOD),
        ({}, b""),
        ({}, b"{"),
        ({}, b"null"),
        ({}, b"[1]"),
        ({}, b'{"name": "Jo", "nunber": 2}'),
        ({}, b'{"name": 7, "number": "two"}'),
        ({}, b'{"name": "Jo", "number": NaN}'),
        ({}, b'{"name": "\xff"}'),
        ({}, b'{"name": "' + b"x" * BODY_LIMIT + b'"}'),
        ({}, b"[" * 100_000),
        ({}, b'{"name": "problem"}'),
        ({}, b'{"name": "away"}'),
        ({}, b'{"name": "late"}'),
        ({}, b'{"name": "unforeseen"}'),
    ],
)  # fmt: skip
async def test_the_hot_door_answers_as_the_cold_one(headers: dict[str, str], body: bytes, tmp_path: Path) -> None:
    hot = await answer(an_app(tmp_path, hot=True), FAIR | headers, body)
    cold = await answer(an_app(tmp_path, hot=False), FAIR | headers, body)
    assert hot == cold


async def test_a_well_formed_request_never_comes_to_the_cold_door(tmp_path: Path) -> None:
    app = an_app(tmp_path, hot=True)
    app.router.routes.clear()
    status, said, _ = await answer(app, FAIR | {"Idempotency-Key": "k-1"}, GOOD)
    assert (status, said["name"], said["key"]) == (202, "Jo", "k-1")
