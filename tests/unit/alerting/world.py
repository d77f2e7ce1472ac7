"""A small world for alerting's rules: records by hand, the engine's own `step`, the default agreement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.agreement import Agreement, load
from schemas.base import Event
from schemas.events.runtime import TimerDue
from schemas.ids import EventId, LogKey, ProcessorName
from schemas.topics import key_of
from schemas.wire import CausePosition, Envelope, Record, encode, new_trace
from services.runtime.protocol import Parts, Processor
from services.runtime.step import KeyRecord, step

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DEFAULT = Path(__file__).resolve().parents[3] / "deploy" / "agreements" / "default.yaml"


def agreement(**replacements: str) -> Agreement:
    """The default agreement; each replacement is `old=new` on its text."""
    text = DEFAULT.read_text()
    for old, new in replacements.items():
        assert old in text
        text = text.replace(old, new)
    return load(text, 1)


@dataclass
class OneAgreement:
    """Agreements as a processor sees them: one, from the beginning."""

    it: Agreement

    def in_force(self, at: datetime) -> Agreement:
        return self.it

    def version(self, number: int) -> Agreement | None:
        return self.it if number == self.it.version else None

    def model_at(self, at: object) -> None:
        return None

    def next_after(self, at: datetime) -> datetime | None:
        return None


@dataclass
class Log:
    """One key's log, read by one processor."""

    processor: Processor[Any]
    agreement: Agreement = field(default_factory=agreement)
    before: KeyRecord[Any] | None = None
    parts: Parts = field(default_factory=Parts)
    offset: int = -1
    now: datetime = T0

    def append(self, event: Event, *, after: timedelta = timedelta(), cause: CausePosition | None = None) -> list[Any]:
        """Append the event `after` the one before; what the processor says."""
        self.offset += 1
        self.now += after
        key = key_of(event, self.processor.log)
        event_id = EventId(f"e{self.offset}")
        envelope = Envelope(
            event_id,
            event.type_name(),
            "/test",
            self.now,
            key,
            event_id,
            new_trace(event_id),
            "test",
            cause=cause,
            addressed_to=self.processor.name if isinstance(event, TimerDue) else None,
        )
        record = Record(
            self.processor.log.name, 0, self.offset, self.now, key.encode(), encode(event), tuple(envelope.headers())
        )
        done = step(
            self.processor,
            self.before,
            self.parts,
            record,
            OneAgreement(self.agreement),
            incarnation="i",
            source="/test",
            writer="test",
        )
        self.before = done.after
        return [said.event for said in done.said]

    def pass_time(self, key: str, span: timedelta) -> list[Any]:
        """Let time pass, with a TimerDue wherever the processor asked for one."""
        end = self.now + span
        said: list[Any] = []
        while self.before is not None and (due := self.processor.due(self.before.own)) is not None and due <= end:
            timer = TimerDue(key=LogKey(key), processor=ProcessorName(self.processor.name), due_at=due)
            said += self.append(timer, after=max(due - self.now, timedelta()))
        self.now = end
        return said
