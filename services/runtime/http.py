"""HTTP as every service speaks it: bearer token, problem documents, a limit on bodies, one trace, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import lru_cache

import structlog
import uvicorn
from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.appending import BrokerAway
from services.runtime.event_streams import ServerSent, event_stream, last_event_id
from services.runtime.health import Health
from services.runtime.hot_doors import HotDoor, HotDoors
from services.runtime.login import add_login, admitted, bears
from services.runtime.metrics import REGISTRY, REQUEST_SECONDS, REQUESTS
from services.runtime.problems import Problem, Request, document, of_validation
from services.runtime.settings import Settings

__all__ = [
    "BODY_LIMIT",
    "HotDoor",
    "PortTaken",
    "Problem",
    "Request",
    "ServerSent",
    "add_hot_door",
    "create_app",
    "event_stream",
    "last_event_id",
    "serve",
    "trace_of",
]

log = structlog.get_logger(__name__)

BODY_LIMIT = 1024 * 1024
"""Bytes of a request's body; a larger one is refused before it has been read."""
_STREAMS_END_WITHIN_SECONDS = 3
_READ_OUT_LIMIT = 16 * BODY_LIMIT
_READ_OUT_SECONDS = 3
_TRACEPARENT = re.compile(r"^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$")
_UNKNOWN = "(unknown)"


class PortTaken(OSError):
    """The address to listen on cannot be had; the text says which and what to do."""


def create_app(
    title: str,
    settings: Settings,
    health: Health,
    *,
    token_required: bool = True,
    open_paths: tuple[str, ...] = (),
    large_bodies: Mapping[str, int] | None = None,
    description: str = "",
) -> FastAPI:
    """A FastAPI app as every service has it.

    All of /v1 needs `Authorization: Bearer <token>`, but for the paths that begin with one of `open_paths` (browser forms,
    signed webhooks). /healthz, /readyz, /metrics, /login and the API's description are open. `large_bodies`: how many bytes
    the bodies of these paths may have, where that is not BODY_LIMIT.
    """
    token = settings.token if token_required else None
    app = _App(title=title, description=description, version="1", redirect_slashes=False)
    app.front_with(token)
    app.state.stopping = asyncio.Event()
    app.add_middleware(_Edge, token=token, open_paths=open_paths, large_bodies=large_bodies)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(BrokerAway, _away)
    app.add_exception_handler(TimeoutError, _too_slow)
    _add_health(app, health)
    add_login(app, settings)
    return app


class _App(FastAPI):
    """FastAPI with hot doors in front."""

    def front_with(self, token: str | None) -> None:
        self.hot = HotDoors(super().__call__, token, BODY_LIMIT)
        self._hot_edge = _Edge(self.hot.answer, None, ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) in self.hot.doors:
            scope["app"] = self
            await self.hot.let_in(scope, receive, send, self._hot_edge)
        else:
            await super().__call__(scope, receive, send)


def add_hot_door(app: FastAPI, method: str, path: str, door: HotDoor) -> None:
    """Put a hot door in front of the door of the same method and path. `app`: of `create_app`."""
    assert isinstance(app, _App)
    app.hot.doors[method, path] = door


def trace_of(request: HttpRequest) -> str:
    """The W3C traceparent of this request: hand it to what is appended because of it."""
    traceparent: str = request.scope["leadloop.traceparent"]
    return traceparent


# ------------------------------------------------------------------ what every service answers


def _add_health(app: FastAPI, health: Health) -> None:
    @app.get("/healthz", summary="Whether the process lives", tags=["operation"])
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @app.get("/readyz", summary="Whether the service may be sent work", tags=["operation"])
    async def readyz() -> JSONResponse:
        return JSONResponse({"ready": health.ready, "parts": health.report()}, 200 if health.ready else 503)

    @app.get("/metrics", summary="Metrics for Prometheus", tags=["operation"])
    async def metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


# ------------------------------------------------------------------ problems


def _answer(request: HttpRequest, problem: Problem) -> Response:
    return document(problem, instance=request.url.path, trace_id=trace_of(request)[3:35])


async def _problem(request: HttpRequest, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return _answer(request, problem)


async def _invalid(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, of_validation(error.errors()))


async def _away(request: HttpRequest, error: Exception) -> Response:
    return _answer(
        request,
        Problem(503, "Not confirmed", f"{str(error)[:1].upper()}{str(error)[1:]}.", headers={"Retry-After": "1"}),
    )


async def _too_slow(request: HttpRequest, error: Exception) -> Response:
    detail = (
        str(error) or "The service is behind the log and did not catch up in time: send the same again in a moment."
    )
    return _answer(request, Problem(503, "Not ready", detail, headers={"Retry-After": "1"}))


async def _refused(request: HttpRequest, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 404:
        problem = Problem(404, "Not found", f"There is nothing at {path}; GET /openapi.json lists what there is.")
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        problem = Problem(
            405, "Method not allowed", f"{path} does not take {method}; it takes {allowed}.", headers=error.headers
        )
    elif error.status_code == 400 and isinstance(error.__cause__, UnicodeDecodeError):
        problem = Problem(
            400,
            "The body is no UTF-8",
            f"The body is no UTF-8 text at byte {error.__cause__.start}; encode it as UTF-8 and send it again.",
        )
    elif error.status_code == 400:
        problem = Problem(
            400, "The body cannot be read", f"The body cannot be read: {error.detail}; correct it and send it again."
        )
    else:
        title = "The body is too large" if error.status_code == 413 else "Refused"
        problem = Problem(error.status_code, title, str(error.detail), headers=error.headers)
    return _answer(request, problem)


class _BodyTooLarge(HTTPException):
    """Raised while a body is being read; FastAPI lets exceptions of this kind through its parsing."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            413, f"The body is larger than {limit} bytes; send less at once.", {"Connection": "close"}
        )


# ------------------------------------------------------------------ the edge


class _Edge:
    """The outermost layer: one trace a request, the token, the limit on bodies, and an answer to what nobody foresaw."""

    def __init__(
        self,
        app: ASGIApp,
        token: str | None,
        open_paths: tuple[str, ...],
        large_bodies: Mapping[str, int] | None = None,
    ) -> None:
        self.app, self._token, self._open_paths = app, token, open_paths
        self._large_bodies = dict(large_bodies or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != "http" or "leadloop.traceparent" in scope
        ):  # a hot door lets it through to the app's own edge
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("traceparent", "")
        traceparent = f"{given[:36]}{secrets.token_hex(8)}-{given[53:]}" if _TRACEPARENT.match(given) else _begun()
        scope["leadloop.traceparent"] = traceparent
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status == 413:
                    await _read_out(receive)
                message["headers"] = [*message.get("headers", ()), (b"traceparent", traceparent.encode())]
                _measure(scope, status, began)
            await send(message)

        with structlog.contextvars.bound_contextvars(trace_id=traceparent[3:35]):
            try:
                refusal = self._refusal(scope, headers)
                if refusal is not None:
                    await _answer(HttpRequest(scope), refusal)(scope, receive, sending)
                else:
                    await self.app(scope, _limited(receive, self._limit(scope)), sending)
            except Exception as error:
                if status != 0:  # the answer has begun: nothing can be said any more, the server closes the connection
                    log.exception("answer_broke_off", path=scope["path"])
                    raise
                log.exception("request_failed", path=scope["path"], error=type(error).__name__)
                detail = f"Something went wrong here, not in your request; the log has it under {traceparent[3:35]}."
                await _answer(HttpRequest(scope), Problem(500, "Internal error", detail))(scope, receive, sending)

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        path: str = scope["path"]
        if (
            self._token is not None
            and (path == "/v1" or path.startswith("/v1/"))
            and not path.startswith(self._open_paths or ("\0",))
            and not bears(headers, self._token)
            and not admitted(scope["method"], headers, HttpRequest(scope).cookies, self._token)
        ):
            return Problem(
                401,
                "Who are you?",
                "This door needs the header `Authorization: Bearer <token>` with the installation's token.",
                headers={"WWW-Authenticate": 'Bearer realm="leadloop"'},
            )
        length, limit = headers.get("content-length", "0"), self._limit(scope)
        if not length.isdigit() or int(length) > limit:
            too_large = _BodyTooLarge(limit)
            return Problem(413, "The body is too large", too_large.detail, headers=too_large.headers)
        return None

    def _limit(self, scope: Scope) -> int:
        """Bytes that the body of this request may have."""
        return self._large_bodies.get(scope["path"], BODY_LIMIT)


async def _read_out(receive: Receive) -> None:
    """Let the client finish writing what is refused: one that still writes sees a reset connection and not our answer."""
    read = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_READ_OUT_SECONDS):
            while read <= _READ_OUT_LIMIT:
                message = await receive()
                read += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def _begun() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _limited(receive: Receive, limit: int) -> Receive:
    """Count what is read of the body; raises _BodyTooLarge as soon as it is too much."""
    read = 0

    async def receiving() -> Message:
        nonlocal read
        message = await receive()
        if message["type"] == "http.request":
            read += len(message.get("body", b""))
            if read > limit:
                raise _BodyTooLarge(limit)
        return message

    return receiving


def _measure(scope: Scope, status: int, began: float) -> None:
    """To the first byte of the answer, so that a stream counts as the time that it took to open."""
    door = str(scope.get("leadloop.door") or getattr(scope.get("route"), "path", _UNKNOWN))
    requests, seconds = _counters(door, scope["method"] if door != _UNKNOWN else "", status)
    requests.inc()
    seconds.observe(time.perf_counter() - began)


@lru_cache(maxsize=1024)
def _counters(door: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(door, method, str(status)), REQUEST_SECONDS.labels(door)


# ------------------------------------------------------------------ serving


class _Server(uvicorn.Server):
    """uvicorn inside a process whose signals are somebody else's, told to end instead of asking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Finish what is under way, then return from `serve`."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """As uvicorn's, but a tick is a second: the date in the answers is all that needs one."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._ending.wait()


@contextlib.asynccontextmanager
async def serve(app: FastAPI, host: str, port: int) -> AsyncIterator[int]:
    """Serve `app` in this event loop while the context lasts; gives the port, a free one if `port` is 0.

    At the end open streams are told to finish, requests under way get three seconds. Raises PortTaken.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_STREAMS_END_WITHIN_SECONDS,
        ws_ping_interval=None,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers nothing to await
            await asyncio.sleep(0.005)
        if task.done():
            task.result()
            raise RuntimeError("the HTTP server ended while it was starting; its log says why")
        yield listener.getsockname()[1]
    finally:
        app.state.stopping.set()
        server.end()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = (
            "another program listens there" if error.errno == errno.EADDRINUSE else str(error.strerror or error).lower()
        )
        raise PortTaken(
            error.errno,
            f"cannot listen on {host}:{port} ({why}): end that program, or choose another port with LEADLOOP_PORT (0: a free one)",
        ) from error
    listener.setblocking(False)
    return listener
