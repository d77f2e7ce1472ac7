"""The agreement of an installation when it starts: the first is published at once, a later one never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.agreement import Agreement, AgreementRefused, load
from schemas.events.console import AgreementPublished
from schemas.ids import AgreementName, digest
from schemas.topics import AGREEMENTS
from schemas.wire import UndecodableRecord
from services.console.terminal import Refused
from services.runtime.agreements import Publications
from services.runtime.appending import Appender, BrokerAway
from services.runtime.health import Health
from services.runtime.settings import Settings

SAMPLES = Path(__file__).resolve().parents[2] / "deploy" / "agreements"
DEFAULT = SAMPLES / "default.yaml"
_READ_SECONDS = 20.0


@dataclass(frozen=True)
class Chosen:
    """An agreement file that holds."""

    path: Path
    text: str
    agreement: Agreement


def roster_beside(agreement: Path) -> Path | None:
    """The sample roster that belongs to an agreement file: `x-roster.yaml` beside `x.yaml`, if it is there."""
    path = agreement.with_name(f"{agreement.stem}-roster{agreement.suffix}")
    return path if path.exists() else None


def choose(path: Path) -> Chosen:
    """Read and check an agreement file. Raises Refused with its findings."""
    text = read_text(path)
    try:
        return Chosen(path, text, load(text, 1))
    except AgreementRefused as refused:
        found = "; ".join(f"line {finding.line}: {finding.message}" for finding in refused.findings[:3])
        raise Refused(
            f"the agreement {path} does not hold ({found}); see all of it with: leadloop agreement check {path}"
        ) from refused


def read_text(path: Path) -> str:
    """A text file that the person named. Raises Refused."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise Refused(f"{path} is not UTF-8 (byte {fault.start}); save it as UTF-8") from fault
    except OSError as refusal:
        raise Refused(f"{path} cannot be read ({refusal.strerror}); name a file that is there") from refusal


async def settle(settings: Settings, wanted: Chosen | None) -> bool:
    """Publish the installation's first agreement (`wanted`, else the default sample); whether this was the first.

    Raises Refused when one is in force already and `wanted` is another.
    """
    publications = await read(settings)
    if len(publications) == 0:
        first = wanted if wanted is not None else await asyncio.to_thread(choose, DEFAULT)
        await _publish_first(settings, first)
        return True
    if wanted is not None and wanted.text not in {published.text for published in publications}:
        now = publications.in_force(datetime.now(UTC))
        raise Refused(
            f"this installation works by version {now.version} of its agreement, and {wanted.path} says otherwise: "
            f"a change needs both departments, so propose it with: leadloop agreement propose {wanted.path}"
        )
    return False


async def _publish_first(settings: Settings, chosen: Chosen) -> None:
    text = chosen.text
    event = AgreementPublished(
        name=AgreementName.parse(str(chosen.agreement.name)),
        agreement_version=1,
        content=digest(text.encode()),
        text=text,
        effective_at=None,
    )
    appender = Appender(settings, "console", Health())
    await appender.start()
    try:
        await appender.append(event)
    except BrokerAway as away:
        raise Refused(f"the first agreement could not be published: {away}") from away
    finally:
        await appender.stop()


async def read(settings: Settings) -> Publications:
    """All publications up to the end of the topic as it is now. Raises Refused when the broker does not answer."""
    publications = Publications()
    try:
        async with asyncio.timeout(_READ_SECONDS), _consumer(settings) as consumer:
            place = TopicPartition(settings.topic(AGREEMENTS), 0)
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            while await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=1000)).values():
                    for record in records:
                        _fold(publications, record)
    except (KafkaError, OSError, TimeoutError) as fault:
        raise Refused(
            f"the broker at {settings.bootstrap_servers} does not tell the agreements ({type(fault).__name__}); "
            "see whether the installation runs: leadloop status"
        ) from fault
    return publications


def _fold(publications: Publications, record: object) -> None:
    headers, value, timestamp = record.headers, record.value, record.timestamp  # type: ignore[attr-defined]
    with suppress(UndecodableRecord):  # not an event: the runtime's reader counts it as nothing, and so does this one
        publications.take_record(list(headers), value, datetime.fromtimestamp(timestamp / 1000, UTC))


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=10_000,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
