"""CloudEvents 1.0 in Kafka's binary mode: the SDK reads what we write, and we read what it writes."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_kafka_event, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from schemas.base import Event
from schemas.events.desk import LeadRejected
from schemas.history.examples import example
from schemas.ids import EventId
from schemas.topics import REGISTRY, key_of
from schemas.wire import CausePosition, Envelope, UndecodableRecord, child_trace, decode, encode, new_trace

_EVENTS = [entry.event for entry in REGISTRY]
_AT = datetime(2026, 3, 2, 9, 30, 0, 123000, tzinfo=UTC)


def _envelope(event: Event) -> Envelope:
    return Envelope(
        event_id=EventId("desk.e1"),
        type=event.type_name(),
        source="/leadloop/test/desk",
        time=_AT,
        subject="the-key",
        correlation_id="the-journey",
        traceparent=child_trace(new_trace("e0"), "desk.e1"),
        writer="desk/1.0",
        causation_id="e0",
        cause=CausePosition("routing.lead/ab12cd34/3", 41, 0),
        addressed_to="routing.lead",
        replay_of="e9",
        replay_effect="void",
    )


@pytest.mark.parametrize("event_type", _EVENTS, ids=lambda e: e.__name__)
def test_the_sdk_reads_what_we_write(event_type: type[Event]) -> None:
    event = example(event_type)
    key = key_of(event, next(e for e in REGISTRY if e.event is event_type).topics[0])
    message = KafkaMessage(dict(_envelope(event).headers()), key.encode(), encode(event))

    read = from_kafka_event(message)

    assert (read.get_id(), read.get_type(), read.get_source()) == ("desk.e1", event.type_name(), "/leadloop/test/desk")
    assert (read.get_specversion(), read.get_datacontenttype()) == ("1.0", "application/json")
    assert (read.get_time(), read.get_subject()) == (_AT, "the-key")
    assert read.get_extension("correlationid") == "the-journey"
    assert read.get_extension("causationid") == "e0"
    assert read.get_extension("cause") == "routing.lead/ab12cd34/3|41|0"
    assert read.get_extension("partitionkey") == key
    assert read.get_data() == orjson.loads(encode(event))


def _written_by_the_sdk(event: Event, **more: str) -> KafkaMessage:
    attributes = {
        "id": "crm-1",
        "type": event.type_name(),
        "source": "https://crm.example/",
        "time": _AT,
        "subject": "the-key",
        "datacontenttype": "application/json",
        **more,
    }
    return to_binary(CloudEvent(attributes, orjson.loads(encode(event))), JSONFormat())


@pytest.mark.parametrize("event_type", _EVENTS, ids=lambda e: e.__name__)
def test_we_read_what_the_sdk_writes(event_type: type[Event]) -> None:
    event = example(event_type)
    message = _written_by_the_sdk(event, correlationid="the-journey", causationid="e0")

    envelope = Envelope.parse(message.headers.items())

    assert (envelope.event_id, envelope.type, envelope.source) == ("crm-1", event.type_name(), "https://crm.example/")
    assert (envelope.time, envelope.subject) == (_AT, "the-key")
    assert (envelope.correlation_id, envelope.causation_id) == ("the-journey", "e0")
    assert decode(envelope.type, message.value) == event


def test_what_the_sdk_leaves_out_is_derived_from_the_id() -> None:
    message = _written_by_the_sdk(example(LeadRejected))

    one, other = (Envelope.parse(message.headers.items()) for _ in range(2))

    assert one == other
    assert one.correlation_id == one.event_id
    assert one.traceparent.startswith("00-")
    assert one.cause is one.causation_id is one.addressed_to is None


def test_headers_survive_the_way_through_the_sdk_and_back() -> None:
    event = example(LeadRejected)
    sent = _envelope(event)
    through = to_binary(
        from_binary(KafkaMessage(dict(sent.headers()), b"the-key", encode(event)), JSONFormat()), JSONFormat()
    )

    back = Envelope.parse([*through.headers.items(), ("traceparent", sent.traceparent.encode())])

    assert back == sent
    assert decode(back.type, through.value) == event


def test_a_time_of_another_zone_is_read_as_the_same_instant() -> None:
    message = _written_by_the_sdk(example(LeadRejected))
    headers = {**message.headers, "ce_time": b"2026-03-02T10:30:00.123+01:00"}

    assert Envelope.parse(headers.items()).time == _AT


@pytest.mark.parametrize("missing", ["ce_id", "ce_type", "ce_source", "ce_time", "ce_subject"])
def test_a_missing_header_is_named(missing: str) -> None:
    headers = {k: v for k, v in _written_by_the_sdk(example(LeadRejected)).headers.items() if k != missing}

    with pytest.raises(UndecodableRecord, match=f"the {missing} header is missing"):
        Envelope.parse(headers.items())


@pytest.mark.parametrize(
    ("header", "value", "sentence"),
    [
        ("ce_time", b"yesterday", "the ce_time header is no time"),
        ("ce_id", b"\xff\xfe", "the ce_id header is no UTF-8 text"),
        ("ce_cause", b"nonsense", "the ce_cause header is not source|offset|index"),
    ],
)
def test_a_header_that_is_garbage_is_a_fault_of_the_data(header: str, value: bytes, sentence: str) -> None:
    headers = {**_written_by_the_sdk(example(LeadRejected)).headers, header: value}

    with pytest.raises(UndecodableRecord) as error:
        Envelope.parse(headers.items())
    assert sentence in str(error.value)
