"""One main for all services: parse the settings, host the processors, open the doors, stop gracefully on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

import structlog
from aiokafka.errors import KafkaError
from fastapi import FastAPI

from schemas.events.scoring import ModelPublished
from schemas.topics import by_class
from services.runtime import logs
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appender
from services.runtime.finding import SERVICES, find
from services.runtime.health import Health
from services.runtime.hosting import host
from services.runtime.http import create_app, serve
from services.runtime.projection import GATHER, Projection, ProjectionRunner
from services.runtime.protocol import Processor
from services.runtime.settings import Settings, SettingsRefused
from services.runtime.topics import TopicsRefused, incarnations

__all__ = ["SERVICES", "Running", "Service", "find", "run_service"]

log = structlog.get_logger(__name__)

STOP_WITHIN_SECONDS = 10.0
_COLLECT_AFTER = (20_000, 20, 50)
"""Objects made and kept until the youngest generation is walked; walks of it until the next; and of that until all are."""
EXIT_START_AGAIN = 70
"""EX_SOFTWARE: nothing is wrong that a new start would not mend; the supervisor starts the process again."""
EXIT_CONFIGURATION = 78
"""EX_CONFIG: a new start would end the same way; a person is needed."""


class Running:
    """What a service may use while it runs."""

    def __init__(self, settings: Settings, service: str) -> None:
        self.settings = settings
        self.service = service
        self.health = Health()
        self.appender = Appender(settings, service, self.health)
        reads_models = service in by_class()[ModelPublished].readers
        self.agreements = AgreementReader(settings, self.health, models=reads_models)
        self.incarnations: dict[str, str] = {}
        """Topic name -> which making of the topic this is."""
        self._projections: dict[str, ProjectionRunner] = {}

    def projection(self, projection: Projection, *, gather: timedelta = GATHER) -> ProjectionRunner:
        """The runner of the projection, the same at every call: the background enters it, the doors read from it."""
        if projection.name not in self._projections:
            self._projections[projection.name] = ProjectionRunner(projection, self, gather=gather)
        return self._projections[projection.name]


@dataclass(frozen=True)
class Service:
    """One service: what `services/<name>/app.py` exposes as SERVICE."""

    name: str
    processors: tuple[Processor[Any], ...] = ()
    http: Callable[[Settings, Running], FastAPI] | None = None
    """Its own doors; /healthz, /readyz and /metrics are there for every service."""
    background: tuple[Callable[[Settings, Running], AbstractAsyncContextManager[object]], ...] = ()
    """Projections and senders, entered in order before the doors open."""


def run_service(name: str, environment: dict[str, str] | None = None) -> NoReturn:
    """Run one service until it is told to stop. Exits 0, 70 (start again) or 78 (a person is needed)."""
    try:
        settings = Settings.from_environment(environment if environment is not None else dict(os.environ))
        service = find(name)
    except (SettingsRefused, LookupError) as error:
        sys.stderr.write(f"leadloop {name}: {error}\n")
        raise SystemExit(EXIT_CONFIGURATION) from None
    logs.configure(name, log_format=settings.log_format, level=settings.log_level)
    try:
        code = asyncio.run(_run(service, settings))
    except (SettingsRefused, TopicsRefused) as error:
        log.error("refused_to_start", because=str(error))
        raise SystemExit(EXIT_CONFIGURATION) from None
    except (KafkaError, OSError, TimeoutError) as error:
        log.error("could_not_start", because=f"{type(error).__name__}: {error}")
        raise SystemExit(EXIT_START_AGAIN) from None
    raise SystemExit(code)


async def _run(service: Service, settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = Running(settings, service.name)
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(60):
            running.incarnations = await incarnations(settings, *{p.log for p in service.processors})
            await running.appender.start()
        stack.push_async_callback(running.appender.stop)
        await stack.enter_async_context(running.agreements.running())
        for enter in service.background:
            await stack.enter_async_context(enter(settings, running))
        for processor in service.processors:
            await stack.enter_async_context(host(processor, running))
        app = (
            service.http(settings, running)
            if service.http
            else create_app(f"leadloop {service.name}", settings, running.health)
        )
        port = await stack.enter_async_context(serve(app, settings.host, settings.port))
        _announce(settings, service.name, port)
        _leave_alone_what_stays()
        log.info("started", port=port, pid=os.getpid())
        await stop.wait()
        log.info("stopping")
        loop.call_later(STOP_WITHIN_SECONDS, _too_slow)
    log.info("stopped")
    return 0


def _leave_alone_what_stays() -> None:
    """Take what a started service consists of out of the collector's sight, and let it come less often.

    What a record or request leaves behind is freed by reference counts; walks through modules, models and state find nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def _announce(settings: Settings, service: str, port: int) -> None:
    """Tell the supervisor and the pages where this service listens."""
    folder = settings.data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{service}.{os.getpid()}.port"
    temporary.write_text(json.dumps({"service": service, "port": port, "pid": os.getpid()}))
    temporary.rename(folder / f"{service}.port")


def _too_slow() -> None:
    log.error("stop_took_too_long", seconds=STOP_WITHIN_SECONDS)
    os._exit(EXIT_START_AGAIN)
