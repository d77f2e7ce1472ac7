"""What a record looks like on Kafka: CloudEvents 1.0 in binary mode, `traceparent`, causation, and the cause's position."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
import orjson
from pydantic import ValidationError
from pydantic_core import SchemaValidator

from schemas import topics
from schemas.base import Event, Explanation
from schemas.history.upcasters import UPCASTERS, lift
from schemas.ids import EventId

Headers = list[tuple[str, bytes]]


class UndecodableRecord(ValueError):
    """A record that is no event of ours: a fault of the data, never of the world."""


class CausePosition(NamedTuple):
    """Which record a processor was at when it said an event, and which of its answers this is.

    `source` is `processor/incarnation of the input topic/partition`; per key and source, (offset, index) only grows.
    """

    source: str
    offset: int
    index: int  # type: ignore[assignment]  # a field may be called as the tuple method that nobody calls here

    def header(self) -> bytes:
        return f"{self.source}|{self.offset}|{self.index}".encode()

    @classmethod
    def parse(cls, header: bytes) -> CausePosition:
        """Raises UndecodableRecord."""
        try:
            source, offset, index = header.decode().rsplit("|", 2)
            return cls(source, int(offset), int(index))
        except ValueError as error:
            raise UndecodableRecord("the ce_cause header is not source|offset|index") from error


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What a record says about itself besides its content."""

    event_id: EventId
    type: str
    source: str
    time: datetime
    subject: str
    correlation_id: str
    traceparent: str
    writer: str
    causation_id: str | None = None
    cause: CausePosition | None = None
    addressed_to: str | None = None
    """The one processor that this is for (TimerDue, a replayed dead letter); none: everybody."""
    replay_of: str | None = None
    """The event id of the dead letter that this appends anew."""
    replay_effect: str | None = None
    """What the event did to the lead's life at its first place (lifecycle applied it there even though `decide` could not)."""

    def headers(self) -> Headers:
        """CloudEvents binary-mode headers for Kafka."""
        out: Headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.event_id.encode()),
            ("ce_type", self.type.encode()),
            ("ce_source", self.source.encode()),
            ("ce_time", self.time.isoformat().replace("+00:00", "Z").encode()),
            ("ce_subject", self.subject.encode()),
            ("content-type", b"application/json"),
            ("traceparent", self.traceparent.encode()),
            ("ce_correlationid", self.correlation_id.encode()),
            ("ce_writer", self.writer.encode()),
        ]
        if self.causation_id is not None:
            out.append(("ce_causationid", self.causation_id.encode()))
        if self.cause is not None:
            out.append(("ce_cause", self.cause.header()))
        if self.addressed_to is not None:
            out.append(("ce_for", self.addressed_to.encode()))
        if self.replay_of is not None:
            out.append(("ce_replayof", self.replay_of.encode()))
        if self.replay_effect is not None:
            out.append(("ce_replayeffect", self.replay_effect.encode()))
        return out

    @classmethod
    def parse(cls, headers: Iterable[tuple[str, bytes]]) -> Envelope:
        """Read a record's headers. Raises UndecodableRecord naming the header that is missing or malformed."""
        h: Mapping[str, bytes] = dict(headers)
        try:
            return cls._parse_well_formed(h)
        except (KeyError, ValueError, AttributeError):
            return cls._parse_naming_faults(h)

    @classmethod
    def _parse_well_formed(cls, h: Mapping[str, bytes]) -> Envelope:
        """The headers as we write them. Any exception: look closer."""
        event_id = h["ce_id"].decode()
        get = h.get
        correlation, trace, writer = get("ce_correlationid"), get("traceparent"), get("ce_writer")
        causation, cause, addressed_to = get("ce_causationid"), get("ce_cause"), get("ce_for")
        replay_of, replay_effect = get("ce_replayof"), get("ce_replayeffect")
        return cls(
            EventId(event_id),
            h["ce_type"].decode(),
            h["ce_source"].decode(),
            datetime.fromisoformat(h["ce_time"].decode()).astimezone(UTC),
            h["ce_subject"].decode(),
            correlation.decode() if correlation is not None else event_id,
            trace.decode() if trace is not None else new_trace(event_id),
            writer.decode() if writer is not None else "",
            causation.decode() if causation is not None else None,
            CausePosition.parse(cause) if cause is not None else None,
            addressed_to.decode() if addressed_to is not None else None,
            replay_of.decode() if replay_of is not None else None,
            replay_effect.decode() if replay_effect is not None else None,
        )

    @classmethod
    def _parse_naming_faults(cls, h: Mapping[str, bytes]) -> Envelope:
        """The same, header by header. Raises UndecodableRecord naming the one that is missing or malformed."""

        def text(name: str) -> str:
            try:
                return h[name].decode()
            except KeyError:
                raise UndecodableRecord(f"the {name} header is missing") from None
            except (UnicodeDecodeError, AttributeError):
                raise UndecodableRecord(f"the {name} header is no UTF-8 text") from None

        try:
            time = datetime.fromisoformat(text("ce_time").replace("Z", "+00:00")).astimezone(UTC)
        except ValueError as error:
            raise UndecodableRecord(f"the ce_time header is no time: {error}") from error
        event_id = text("ce_id")
        return cls(
            event_id=EventId(event_id),
            type=text("ce_type"),
            source=text("ce_source"),
            time=time,
            subject=text("ce_subject"),
            correlation_id=text("ce_correlationid") if "ce_correlationid" in h else event_id,
            traceparent=text("traceparent") if "traceparent" in h else new_trace(event_id),
            writer=text("ce_writer") if "ce_writer" in h else "",
            causation_id=text("ce_causationid") if "ce_causationid" in h else None,
            cause=CausePosition.parse(h["ce_cause"]) if "ce_cause" in h else None,
            addressed_to=text("ce_for") if "ce_for" in h else None,
            replay_of=text("ce_replayof") if "ce_replayof" in h else None,
            replay_effect=text("ce_replayeffect") if "ce_replayeffect" in h else None,
        )


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as read from a topic; `at` is the broker's append time."""

    topic: str
    partition: int
    offset: int
    at: datetime
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> bytes | None:
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def type_name(self) -> str | None:
        """The `ce_type` header, or none if it is missing or no text."""
        raw = self.header("ce_type")
        try:
            return raw.decode() if raw is not None else None
        except UnicodeDecodeError:
            return None


def span_of(event_id: str) -> str:
    """The span id of an event: 16 hex digits, a function of its id."""
    return hashlib.blake2b(event_id.encode(), digest_size=8).hexdigest()


def new_trace(event_id: str) -> str:
    """A W3C traceparent that begins a trace at this event."""
    trace = hashlib.blake2b(event_id.encode(), digest_size=16, person=b"trace").hexdigest()
    return f"00-{trace}-{span_of(event_id)}-01"


def child_trace(parent: str, event_id: str) -> str:
    """The traceparent of an event in its parent's trace."""
    return f"{parent[:36]}{span_of(event_id)}-01"


def encode(event: Event) -> bytes:
    """The event's content as JSON."""
    return event.__pydantic_serializer__.to_json(event, by_alias=True)


@cache
def _unexplained(event: type[Event]) -> SchemaValidator:
    """Reads an event as its model does, but passes over the fields that only explain."""
    explaining = {name for name, field in event.model_fields.items() if Explanation in field.metadata}
    if not explaining:
        return event.__pydantic_validator__  # type: ignore[return-value]
    model: Any = event.__pydantic_core_schema__
    fields = {name: field for name, field in model["schema"]["fields"].items() if name not in explaining}
    return SchemaValidator({**model, "schema": {**model["schema"], "fields": fields}}, _use_prebuilt=False)


def decode(type_name: str | None, value: bytes | None, *, explained: bool = True) -> Event:
    """The event of a record, old versions lifted. Raises UndecodableRecord with the reason.

    explained: with the fields that only tell people why (`Explanation`). Without them the event does not have these fields,
    whatever stands there is not looked at, and reading one that names ten reps who were not taken costs a third.
    """
    if type_name is None:
        raise UndecodableRecord("the ce_type header is missing")
    entry = topics.by_type_name().get(type_name)
    if value is None:
        raise UndecodableRecord(f"a {type_name} without content")
    try:
        if entry is not None:
            reader = entry.event.__pydantic_validator__ if explained else _unexplained(entry.event)
            return reader.validate_json(value)  # type: ignore[no-any-return]
        if type_name not in UPCASTERS:
            raise UndecodableRecord(f"unknown event type {type_name[:200]!r}")
        try:
            type_name, content = lift(type_name, orjson.loads(value))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UndecodableRecord(f"{type_name}: its content is not what the old version says") from error
        return topics.by_type_name()[type_name].event.model_validate_json(orjson.dumps(content))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise UndecodableRecord(f"{type_name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except orjson.JSONDecodeError as error:
        raise UndecodableRecord(f"{type_name}: no JSON") from error
