"""A service as its main runs it, inside the test: its background, its doors, a client that has the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from schemas.base import Event
from schemas.events.console import AgreementPublished
from schemas.ids import AgreementName, EventId, digest
from services.runtime.appending import Appended, Appender
from services.runtime.health import Health
from services.runtime.http import serve
from services.runtime.main import Running, Service
from services.runtime.settings import Settings
from services.runtime.topics import ensure_topics

AGREEMENT = (Path(__file__).parent / "doors_agreement.yaml").read_text()
TOKEN = "the-token-of-the-tests"


def settings_for(kafka: str, namespace: str, folder: Path, *, patience: float = 20.0) -> Settings:
    """Settings of an installation of this test's own."""
    return Settings(
        bootstrap_servers=kafka,
        namespace=namespace,
        secret=bytes(range(32)),
        token=TOKEN,
        data_dir=folder,
        partitions=4,
        broker_patience=timedelta(seconds=patience),
    )


async def publish_agreement(settings: Settings, text: str = AGREEMENT) -> None:
    """Make the topics and publish the installation's first agreement."""
    await ensure_topics(settings)
    async with pens(settings) as write:
        await write.by(
            "console",
            AgreementPublished(
                name=AgreementName("tests"),
                agreement_version=1,
                content=digest(text.encode()),
                text=text,
                effective_at=None,
            ),
        )


@dataclass
class Pens:
    """What the other services say, written as they write it."""

    settings: Settings
    _appenders: dict[str, Appender] = field(default_factory=dict)

    async def by(self, service: str, event: Event, event_id: str | None = None) -> Appended:
        """Append in the service's name; acknowledged."""
        if service not in self._appenders:
            self._appenders[service] = Appender(self.settings, service, Health())
            await self._appenders[service].start()
        return await self._appenders[service].append(event, event_id=None if event_id is None else EventId(event_id))

    async def close(self) -> None:
        for appender in self._appenders.values():
            await appender.stop()


@asynccontextmanager
async def pens(settings: Settings) -> AsyncIterator[Pens]:
    """Pens for as long as the block lasts."""
    them = Pens(settings)
    try:
        yield them
    finally:
        await them.close()


@dataclass(frozen=True)
class Served:
    """A service that answers."""

    running: Running
    http: httpx.AsyncClient
    """Shows the token."""
    url: str


@asynccontextmanager
async def served(service: Service, settings: Settings) -> AsyncIterator[Served]:
    """Run the service as `run_service` does, without its signals."""
    running = Running(settings, service.name)
    async with AsyncExitStack() as stack:
        await running.appender.start()
        stack.push_async_callback(running.appender.stop)
        await stack.enter_async_context(running.agreements.running())
        for enter in service.background:
            await stack.enter_async_context(enter(settings, running))
        assert service.http is not None
        port = await stack.enter_async_context(serve(service.http(settings, running), "127.0.0.1", 0))
        url = f"http://127.0.0.1:{port}"
        client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
        await stack.enter_async_context(client)
        await running.agreements.fresh()
        yield Served(running, client, url)
