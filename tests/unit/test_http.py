"""HTTP as every service speaks it, asked over real sockets: refusals are problem documents that name place and remedy."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from fastapi import Request as HttpRequest
from fastapi.responses import Response

from services.runtime.appending import BrokerAway
from services.runtime.health import Health
from services.runtime.http import (
    BODY_LIMIT,
    PortTaken,
    Problem,
    Request,
    ServerSent,
    create_app,
    event_stream,
    last_event_id,
    serve,
    trace_of,
)
from services.runtime.settings import Settings

TOKEN = "a-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Amount(Request):
    amount: Decimal
    currency: str


class Order(Request):
    name: str
    amount: Amount


class Doors:
    """A service with one door of each kind."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(bootstrap_servers="nowhere:1", secret=b"x" * 32, token=TOKEN, data_dir=folder)
        self.health = Health()
        self.app = create_app("a service for tests", settings, self.health, open_paths=("/v1/forms/",))
        self.orders: list[Order] = []
        app = self.app

        @app.post("/v1/orders")
        async def order(order: Order, request: HttpRequest) -> dict[str, str]:
            self.orders.append(order)
            return {"trace": trace_of(request)}

        @app.post("/v1/forms/{form}")
        async def form(form: str, request: HttpRequest) -> dict[str, int]:
            return {"bytes": len(await request.body())}

        @app.get("/v1/crash")
        async def crash() -> None:
            raise ZeroDivisionError("nobody foresaw this")

        @app.get("/v1/away")
        async def away() -> None:
            raise BrokerAway("the broker did not acknowledge in time: send the same again")

        @app.get("/v1/gone")
        async def gone() -> None:
            raise Problem(409, "It has ended", "This assignment has ended; look into the inbox.", assignment_id="a1")

        @app.get("/v1/stream")
        async def stream(request: HttpRequest) -> Response:
            return event_stream(request, numbers(int(last_event_id(request) or "0")), keep_alive_seconds=0.05)


async def numbers(after: int) -> AsyncIterator[Sequence[ServerSent]]:
    yield [ServerSent(str(n), "number", b"%d" % n) for n in range(after + 1, after + 4)]
    await asyncio.Event().wait()


@pytest.fixture
def doors(tmp_path: Path) -> Doors:
    return Doors(tmp_path)


@pytest.fixture
async def client(doors: Doors) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serve(doors.app, "127.0.0.1", 0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=BEARER, timeout=10) as client,
    ):
        yield client


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    content: dict[str, object] = answer.json()
    assert content["status"] == status
    assert content["trace_id"] == answer.headers["traceparent"][3:35]
    return content


ORDER = {"name": "Ada", "amount": {"amount": "12.00", "currency": "EUR"}}


async def test_a_good_request_is_served(doors: Doors, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/orders", json=ORDER)
    assert answer.status_code == 200
    assert doors.orders == [Order.model_validate(ORDER)]


@pytest.mark.parametrize(
    "headers", [{"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}]
)
async def test_without_the_token_nothing_is_read(
    doors: Doors, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await client.post("/v1/orders", content=b"{not even json", headers=headers)
    assert "Authorization: Bearer" in str(problem(answer, 401)["detail"])
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert doors.orders == []


async def test_forms_and_health_need_no_token(client: httpx.AsyncClient) -> None:
    nobody = {"Authorization": ""}
    assert (await client.post("/v1/forms/contact", content=b"a=1", headers=nobody)).json() == {"bytes": 3}
    assert (await client.get("/healthz", headers=nobody)).status_code == 200


async def test_a_login_gives_a_cookie_that_reads_but_does_not_write_from_elsewhere(client: httpx.AsyncClient) -> None:
    wrong = await client.post("/login", content="token=guess&to=/", headers={"Authorization": ""})
    assert wrong.status_code == 401
    right = await client.post("/login", content=f"token={TOKEN}&to=//evil.example/", headers={"Authorization": ""})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert TOKEN not in right.headers["set-cookie"]
    assert (await client.get("/v1/gone", headers={"Authorization": ""})).status_code == 409
    assert (await client.post("/v1/orders", json=ORDER, headers={"Authorization": ""})).status_code == 401
    own_page = {"Authorization": "", "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/v1/orders", json=ORDER, headers=own_page)).status_code == 200


async def test_each_wrong_field_is_named_with_the_remedy(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/orders", json={"nmae": "Ada", "amount": {"amount": "twelve", "currency": 7}})
    content = problem(answer, 422)
    errors = {e["field"]: e["message"] for e in content["errors"]}  # type: ignore[attr-defined]
    assert errors == {
        "name": "The field `name` is missing; add it.",
        "amount.amount": 'The field `amount.amount` must be a decimal number such as "12.00".',
        "amount.currency": "The field `amount.currency` must be text; put it in quotation marks.",
        "nmae": "The field `nmae` is not known here; check its spelling or leave it out.",
    }
    assert str(content["detail"]).endswith("There are 3 more.")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"name": "Ada", }', "no JSON"),
        (b"", "The body is missing"),
        (b'{"name": "\xff\xfe"}', "no UTF-8"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"name": "\\ud800", "amount": {"amount": 1, "currency": "EUR"}}', "Unicode"),
        (b"7" * 5000, "cannot be read"),
    ],
)
async def test_a_broken_body_is_explained(client: httpx.AsyncClient, body: bytes, says: str) -> None:
    answer = await client.post("/v1/orders", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert says in str(problem(answer, answer.status_code)["detail"])


async def test_a_body_over_the_limit_is_refused_by_its_announced_length(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/orders", content=b"x" * (2 * BODY_LIMIT), headers={"Content-Type": "application/json"}
    )
    assert str(BODY_LIMIT) in str(problem(answer, 413)["detail"])


async def test_a_body_of_unknown_length_is_refused_before_all_of_it_is_read(client: httpx.AsyncClient) -> None:
    """The client goes on sending for ever; the answer comes all the same, and the connection is closed.

    With blocking sockets: asyncio throws away what has arrived as soon as a write fails.
    """
    url = client.base_url
    head = f"POST /v1/forms/contact HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"

    def send_for_ever(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    with await asyncio.to_thread(socket.create_connection, (str(url.host), url.port), 10) as connection:
        connection.sendall(head.encode())
        sending = asyncio.create_task(asyncio.to_thread(send_for_ever, connection))
        with connection.makefile("rb") as answer:
            status = await asyncio.to_thread(answer.readline)
        assert b" 413 " in status
        with pytest.raises(ConnectionError):
            await sending


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    assert "/v1/nothing" in str(problem(await client.get("/v1/nothing"), 404)["detail"])
    answer = await client.put("/v1/orders", json={})
    assert "does not take PUT" in str(problem(answer, 405)["detail"])
    assert answer.headers["allow"] == "POST"


async def test_a_service_may_answer_with_a_problem_of_its_own(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/v1/gone"), 409)["assignment_id"] == "a1"


async def test_a_broker_that_is_away_is_503_and_says_to_send_again(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/away")
    assert "send the same again" in str(problem(answer, 503)["detail"])
    assert answer.headers["retry-after"] == "1"


async def test_what_nobody_foresaw_is_500_without_its_text(client: httpx.AsyncClient) -> None:
    content = problem(await client.get("/v1/crash"), 500)
    assert "nobody foresaw" not in json.dumps(content)
    assert str(content["trace_id"]) in str(content["detail"])


async def test_a_trace_that_comes_in_goes_on_and_a_broken_one_begins_anew(client: httpx.AsyncClient) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = await client.post("/v1/orders", json=ORDER, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    assert answer.json()["trace"] == answer.headers["traceparent"]
    assert answer.headers["traceparent"].startswith(f"00-{trace}-")
    assert "b7ad6b7169203331" not in answer.headers["traceparent"]
    anew = await client.post("/v1/orders", json=ORDER, headers={"traceparent": "00-zz-yy-01"})
    assert len(anew.headers["traceparent"]) == 55


async def test_ready_follows_every_part_of_the_process(doors: Doors, client: httpx.AsyncClient) -> None:
    doors.health.expect("database")
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["database"]["ok"]) == (503, False)
    doors.health.say("database", ok=True)
    assert (await client.get("/readyz")).status_code == 200


async def test_requests_are_counted_by_door_and_not_by_address(client: httpx.AsyncClient) -> None:
    await client.post("/v1/forms/one", content=b"")
    await client.get("/v1/nothing/at/all")
    metrics = (await client.get("/metrics")).text
    assert 'door="/v1/forms/{form}",method="POST",status="200"' in metrics
    assert "nothing" not in metrics


async def test_a_stream_resumes_after_the_last_event_id_and_is_kept_alive(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    async with client.stream("GET", "/v1/stream", headers={"Last-Event-ID": "7"}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async with asyncio.timeout(10):
            async for line in stream.aiter_lines():
                seen.append(line)
                if line.startswith(":"):
                    break
    assert [line for line in seen if line.startswith("id: ")] == ["id: 8", "id: 9", "id: 10"]


async def test_open_streams_end_when_the_service_stops(doors: Doors) -> None:
    async with httpx.AsyncClient(headers=BEARER, timeout=10) as client:
        serving = serve(doors.app, "127.0.0.1", 0)
        port = await serving.__aenter__()
        async with client.stream("GET", f"http://127.0.0.1:{port}/v1/stream") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            async with asyncio.timeout(3):
                await serving.__aexit__(None, None, None)
                assert [line async for line in lines][-1] == ""


async def test_a_port_that_is_taken_is_one_clear_sentence(doors: Doors, tmp_path: Path) -> None:
    async with serve(doors.app, "127.0.0.1", 0) as port:
        with pytest.raises(
            PortTaken, match=rf"cannot listen on 127\.0\.0\.1:{port} \(another program listens there\).*LEADLOOP_PORT"
        ):
            async with serve(Doors(tmp_path).app, "127.0.0.1", port):
                pytest.fail("two servers on one port")
