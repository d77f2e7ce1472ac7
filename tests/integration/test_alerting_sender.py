"""The sender on real Kafka, with a real mail server and a real HTTP receiver: each alert once, whatever these do."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.base import Event
from schemas.events.alerting import AlertFailed, AlertKind, AlertLine, AlertReleased, AlertSent
from schemas.events.console import AgreementPublished
from schemas.ids import AgreementName, AlertId, ClockName, LeadId, RecipientId, RepId, digest
from schemas.topics import ALERTS
from schemas.vocabulary import Because
from schemas.wire import Envelope, decode
from services.alerting.backlog import Released
from services.alerting.carriers import Carriers
from services.alerting.patience import PEOPLE, Patience
from services.alerting.reading import AlertingProjection
from services.alerting.rows import RECIPIENTS
from services.alerting.sender import Sender
from services.console.ports import free_port
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appender
from services.runtime.health import Health
from services.runtime.projection import Behind, ProjectionRunner
from services.runtime.settings import Settings
from services.runtime.topics import ensure_topics
from tests.integration.alerting_receivers import (
    BREAK_OFF,
    FAIL,
    HANG,
    LIE,
    NO_HTTP,
    TOO_MANY,
    http_receiver,
    smtp_receiver,
)

pytestmark = pytest.mark.integration

_AGREEMENT = Path(__file__).resolve().parents[2] / "deploy" / "agreements" / "default.yaml"
_HASTY = Patience(delays=(0.05, 0.1, 0.2, 0.2, 0.2))


@dataclass
class Alive:
    """What the sender uses of a running service."""

    settings: Settings
    appender: Appender
    agreements: AgreementReader
    health: Health
    service: str = "alerting"


@pytest.fixture
async def settings(kafka: str, namespace: str, tmp_path: Path) -> Settings:
    its = Settings(
        bootstrap_servers=kafka, secret=b"x" * 32, token="t", data_dir=tmp_path, namespace=namespace, partitions=2
    )
    await ensure_topics(its)
    console = Appender(its, "console", Health())
    await console.start()
    text = _AGREEMENT.read_text()
    await console.append(
        AgreementPublished(
            name=AgreementName("default"),
            agreement_version=1,
            content=digest(text.encode()),
            text=text,
            effective_at=None,
        )
    )
    await console.stop()
    return its


@asynccontextmanager
async def alive(settings: Settings) -> AsyncIterator[Alive]:
    health = Health()
    appender = Appender(settings, "alerting", health)
    await appender.start()
    try:
        reader = AgreementReader(settings, health)
        async with reader.running():
            yield Alive(settings, appender, reader, health)
    finally:
        await appender.stop()


def released(number: int, recipient: str = "managers") -> AlertReleased:
    alert_id = AlertId(f"alert.{number}")
    line = AlertLine(
        alert_id=alert_id,
        kind=AlertKind.CLOCK_BREACHED,
        lead_id=LeadId("4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11"),
        rep_id=RepId("mira"),
        clock=ClockName("first-response"),
        deadline_at=None,
        happened_at="2026-03-02T09:00:00Z",  # type: ignore[arg-type]
        because=Because("the clock first-response ran out"),
    )
    return AlertReleased(recipient=RecipientId(recipient), alert_id=alert_id, lines=(line,))


@asynccontextmanager
async def sending(
    settings: Settings,
    running: Alive,
    environment: Mapping[str, str],
    patience: Callable[[Released | None], Patience] = lambda _: _HASTY,
) -> AsyncIterator[ProjectionRunner]:
    """A sender at work, with its tables."""
    folder = replace(settings, data_dir=Path(tempfile.mkdtemp(dir=settings.data_dir)))
    around = replace(running, settings=folder)
    async with (
        ProjectionRunner(AlertingProjection(), around) as tables,
        Carriers.open(folder, around, tables, environment) as carriers,
        Sender(folder, around, tables, carriers, patience).delivering(),  # type: ignore[arg-type]
    ):
        yield tables


async def answers(settings: Settings, number: int, timeout: float = 30.0) -> list[tuple[Envelope, Event]]:
    """The first `number` AlertSent and AlertFailed in the log, waited for."""
    partitions = [TopicPartition(settings.topic(ALERTS), p) for p in range(settings.partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    found: list[tuple[Envelope, Event]] = []
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async with asyncio.timeout(timeout):
            while len(found) < number:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        envelope = Envelope.parse(record.headers)
                        event = decode(envelope.type, record.value)
                        if isinstance(event, AlertSent | AlertFailed):
                            found.append((envelope, event))
    finally:
        await consumer.stop()
    return found


async def test_a_webhook_that_fails_hangs_and_answers_429_gets_the_alert_once(settings: Settings) -> None:
    async with http_receiver(FAIL, HANG, TOO_MANY) as (address, inbox), alive(settings) as running:
        await running.appender.append(released(1))
        url = f"json://{address}/hook?rto=0.5"
        async with sending(settings, running, {"LEADLOOP_MANAGERS_URL": url}):
            [(envelope, sent)] = await answers(settings, 1)

    assert isinstance(sent, AlertSent)
    assert sent.attempts == inbox.asked == 4
    [post] = inbox.taken
    assert post.webhook_id == "alert.1"
    assert post.content["title"] == "leadloop: a clock ran out, lead 4f5e2ad2"
    assert "the clock first-response ran out" in post.content["message"]
    assert envelope.causation_id is not None


async def test_a_mail_refused_at_first_arrives_once_with_a_message_id_that_stays(settings: Settings) -> None:
    with smtp_receiver(FAIL) as (address, inbox):
        async with alive(settings) as running:
            await running.appender.append(released(2))
            url = f"mailto://{address}?from=leadloop@example.com&to=boss@example.com"
            async with sending(settings, running, {"LEADLOOP_MANAGERS_URL": url}):
                [(_, sent)] = await answers(settings, 1)

    assert isinstance(sent, AlertSent)
    [mail] = inbox.taken
    assert mail.get_all("Message-ID") == ["<alert.2@leadloop>"]
    assert mail["To"] == "boss@example.com"
    assert "a clock ran out" in str(mail["Subject"])


async def test_a_sender_that_starts_again_delivers_only_what_has_no_answer(settings: Settings) -> None:
    async with http_receiver() as (address, inbox), alive(settings) as running:
        environment = {"LEADLOOP_MANAGERS_URL": f"json://{address}/"}
        await running.appender.append(released(1))
        async with sending(settings, running, environment):
            await answers(settings, 1)
        await running.appender.append(released(2))
        async with sending(settings, running, environment):
            await answers(settings, 2)

    assert [post.webhook_id for post in inbox.taken] == ["alert.1", "alert.2"]


async def test_a_stop_lets_the_attempt_under_way_end_so_that_nothing_comes_twice(settings: Settings) -> None:
    async with http_receiver(FAIL, FAIL) as (address, inbox), alive(settings) as running:
        environment = {"LEADLOOP_MANAGERS_URL": f"json://{address}/"}
        for number in range(20):
            await running.appender.append(released(number))
        async with sending(settings, running, environment):
            await inbox.holds(5)
        async with sending(settings, running, environment):
            found = await answers(settings, 20)

    assert [post.webhook_id for post in inbox.taken] == [f"alert.{n}" for n in range(20)]
    assert len(found) == 20


async def test_two_senders_share_the_recipients_and_tell_each_once(settings: Settings) -> None:
    async with http_receiver() as (address, inbox), alive(settings) as one, alive(settings) as other:
        environment = {"LEADLOOP_MANAGERS_URL": f"json://{address}/"}
        async with sending(settings, one, environment):
            for number in range(10):
                await one.appender.append(released(number))
            await inbox.holds(3)
            async with sending(settings, other, environment):
                for number in range(10, 20):
                    await one.appender.append(released(number))
                await answers(settings, 20)

    assert sorted(post.webhook_id for post in inbox.taken) == sorted(f"alert.{n}" for n in range(20))


async def test_an_alert_that_nobody_takes_is_given_up_with_its_reason(settings: Settings) -> None:
    async with http_receiver(*[FAIL] * 6) as (address, inbox), alive(settings) as running:
        await running.appender.append(released(1))
        async with sending(settings, running, {"LEADLOOP_MANAGERS_URL": f"json://{address}/"}):
            [(_, failed)] = await answers(settings, 1)

    assert isinstance(failed, AlertFailed)
    assert (failed.attempts, failed.because) == (6, "the receiver did not accept it, 6 times")
    assert inbox.taken == []


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        ("managers", "the environment variable LEADLOOP_MANAGERS_URL is not set"),
        ("nobody", "has no channel of this name"),
    ],
)
async def test_a_channel_that_cannot_be_reached_at_all_is_given_up_at_once(
    settings: Settings, recipient: str, reason: str
) -> None:
    async with alive(settings) as running:
        await running.appender.append(released(1, recipient))
        async with sending(settings, running, {}):
            [(_, failed)] = await answers(settings, 1)

    assert isinstance(failed, AlertFailed)
    assert failed.attempts == 1
    assert reason in failed.because


async def test_a_dead_channel_holds_up_nobody_else(settings: Settings) -> None:
    async with http_receiver() as (address, inbox), alive(settings) as running:
        await running.appender.append(released(1, "nobody"))
        await running.appender.append(released(2))
        async with sending(settings, running, {"LEADLOOP_MANAGERS_URL": f"json://{address}/"}):
            await inbox.holds(1)
            found = await answers(settings, 2)

    assert {type(event).__name__ for _, event in found} == {"AlertSent", "AlertFailed"}


async def test_a_sender_is_ready_also_when_others_have_all_partitions(settings: Settings) -> None:
    async with (
        alive(settings) as one,
        alive(settings) as two,
        alive(settings) as three,
        sending(settings, one, {}),
        sending(settings, two, {}),
        sending(settings, three, {}),
        asyncio.timeout(30),
    ):
        for running in (one, two, three):
            await ready(running)


async def ready(running: Alive) -> None:
    """Wait until the sender knows what is owed."""
    while True:
        if "alerts sender" in running.health.report() and running.health.ready:
            return
        await asyncio.sleep(0.05)  # health offers nothing to await


async def test_a_mail_server_that_is_away_is_given_up_with_the_name_of_the_fault(settings: Settings) -> None:
    with smtp_receiver() as (address, _):
        pass  # its port is free again: nobody listens
    async with alive(settings) as running:
        await running.appender.append(released(1))
        url = f"mailto://{address}?from=leadloop@example.com&to=boss@example.com"
        async with sending(settings, running, {"LEADLOOP_MANAGERS_URL": url}):
            [(_, failed)] = await answers(settings, 1)

    assert isinstance(failed, AlertFailed)
    assert failed.because == "the attempt broke off: ConnectionRefusedError, 6 times"


async def test_a_receiver_that_breaks_off_or_speaks_another_language_is_asked_again_and_a_200_is_believed(settings: Settings) -> None:
    async with http_receiver(NO_HTTP, BREAK_OFF, LIE) as (address, inbox), alive(settings) as running:
        await running.appender.append(released(1))
        async with sending(settings, running, {"LEADLOOP_MANAGERS_URL": f"json://{address}/"}):
            [(_, sent)] = await answers(settings, 1)

    assert isinstance(sent, AlertSent)
    assert sent.attempts == inbox.asked == 3


async def test_a_mail_server_that_comes_back_gets_each_mail_once_and_in_order(settings: Settings) -> None:
    port = free_port()
    url = f"mailto://127.0.0.1:{port}?from=leadloop@example.com&to=boss@example.com"
    outage = Patience(delays=(0.2,) * 200)
    async with alive(settings) as running:
        for number in range(3):
            await running.appender.append(released(number))
        async with sending(settings, running, {"LEADLOOP_MANAGERS_URL": url}, lambda _: outage) as tables:
            async with asyncio.timeout(20):
                await refused_twice(tables)
            with smtp_receiver(port=port) as (_, inbox):
                found = await answers(settings, 3)

    assert all(isinstance(event, AlertSent) and event.attempts >= 1 for _, event in found)
    assert max(event.attempts for _, event in found if isinstance(event, AlertSent)) > 1
    assert [mail["Message-ID"] for mail in inbox.taken] == [f"<alert.{n}@leadloop>" for n in range(3)]


async def refused_twice(tables: ProjectionRunner) -> None:
    """Wait until the tables know of two attempts in vain."""
    while True:
        with suppress(Behind):
            if await tables.read(_failures) >= 2:
                return
        await asyncio.sleep(0.05)  # they offer nothing to await


def _failures(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(RECIPIENTS.c.failures).where(RECIPIENTS.c.recipient == "managers")) or 0


def test_what_people_are_told_is_tried_for_longer_than_an_hour() -> None:
    tried = list(accumulate(PEOPLE.after(n, "alert.1") for n in range(1, len(PEOPLE.delays) + 1)))
    assert tried[-1] > 5_400
    assert max(later - earlier for earlier, later in pairwise(tried)) < 700, "and soon after the hour"
