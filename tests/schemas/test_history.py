"""What was ever published stays readable: frozen versions, their examples, and the command that freezes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from pydantic import create_model

from schemas.base import Event
from schemas.events.intake import LeadErased, LeadSuppressed
from schemas.events.routing import ActionRefused
from schemas.history import __main__ as command
from schemas.history.examples import example
from schemas.history.frozen import Frozen, WouldRewriteHistory, complaints, freeze, read
from schemas.history.upcasters import UPCASTERS, Content
from schemas.ids import EventId, LeadId, ProcessorName
from schemas.lifecycle import Effect
from schemas.topics import LEADS, REGISTRY
from schemas.vocabulary import Reason
from schemas.wire import Envelope, Record, UndecodableRecord, decode, encode, new_trace
from services.runtime.protocol import Context, Decision, Parts, Processor
from services.runtime.step import interesting, step

HISTORY = read()
EVENTS = [entry.event for entry in REGISTRY]
_LEAD = "4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11"


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.type_name())
def test_every_event_is_as_it_is_frozen(event: type[Event]) -> None:
    assert list(complaints(event, HISTORY)) == []


@pytest.mark.parametrize("frozen", HISTORY, ids=lambda f: f"{f.type_name}.r{f.revision}")
def test_every_frozen_example_still_decodes(frozen: Frozen) -> None:
    event = decode(frozen.type_name, frozen.example)

    assert type(event).__name__ == frozen.event


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.type_name())
def test_what_is_written_is_read_back_the_same(event: type[Event]) -> None:
    full = example(event)

    assert decode(event.type_name(), encode(full)) == full


def test_every_frozen_version_that_is_no_longer_written_has_an_upcaster() -> None:
    written = {event.type_name() for event in EVENTS}
    old = {frozen.type_name for frozen in HISTORY} - written

    assert old <= set(UPCASTERS), "an old version cannot be read: lift it in schemas/history/upcasters.py"


def test_no_event_was_taken_out_of_the_registry_while_it_is_in_logs() -> None:
    assert {frozen.event for frozen in HISTORY} <= {event.__name__ for event in EVENTS}


# The command, on a folder of its own.


def _event(name: str = "Changed", version: int = 1, **fields: Any) -> type[Event]:
    event = create_model(name, __base__=Event, **{"lead_id": (LeadId, ...), **fields})
    event.version = version
    return event


def test_a_new_event_is_frozen_with_its_schema_and_example(tmp_path: Path) -> None:
    assert list(complaints(_event(), read(tmp_path))) == [
        "leadloop.Changed.v1 is not frozen: run `python -m schemas.history freeze` "
        "and commit the two files that it writes."
    ]

    written = freeze(_event(), tmp_path)

    assert [path.name for path in written] == ["Changed.v1.schema.json", "Changed.v1.example.json"]
    assert orjson.loads(written[1].read_bytes()) == {"lead_id": _LEAD}
    assert list(complaints(_event(), read(tmp_path))) == []


def test_freezing_again_writes_nothing(tmp_path: Path) -> None:
    freeze(_event(), tmp_path)

    assert freeze(_event(), tmp_path) == ()


def test_a_change_that_all_can_live_with_is_frozen_beside_the_first(tmp_path: Path) -> None:
    first = freeze(_event(), tmp_path)[0].read_bytes()
    grown = _event(cycle=(int, 1))
    [sentence] = complaints(grown, read(tmp_path))
    assert "run `python -m schemas.history freeze`" in sentence

    assert [path.name for path in freeze(grown, tmp_path)] == [
        "Changed.v1.r2.schema.json",
        "Changed.v1.r2.example.json",
    ]
    assert (tmp_path / "Changed.v1.schema.json").read_bytes() == first
    assert list(complaints(grown, read(tmp_path))) == []


def test_a_change_that_the_log_forbids_is_refused_and_nothing_is_overwritten(tmp_path: Path) -> None:
    first = freeze(_event(), tmp_path)[0]
    before = first.read_bytes()

    with pytest.raises(WouldRewriteHistory) as refused:
        freeze(_event(cycle=(int, ...)), tmp_path, readers_first=True)

    assert "Changed.v1, cycle: the field was added without a default" in str(refused.value)
    assert "set `version = 2` in Changed" in str(refused.value)
    assert first.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_field_may_not_be_forgotten_by_way_of_two_harmless_changes(tmp_path: Path) -> None:
    freeze(_event(cycle=(int, ...)), tmp_path)
    freeze(_event(cycle=(int, 1)), tmp_path)

    with pytest.raises(WouldRewriteHistory, match="its type was integer and is string"):
        freeze(_event(cycle=(str, "1")), tmp_path)


def test_what_only_running_readers_forbid_can_be_recorded_once_they_all_know_it(tmp_path: Path) -> None:
    freeze(_event(cycle=(int, ...)), tmp_path)
    wider = _event(cycle=(int | None, ...))

    with pytest.raises(WouldRewriteHistory, match="--readers-first Changed"):
        freeze(wider, tmp_path)
    freeze(wider, tmp_path, readers_first=True)

    assert list(complaints(wider, read(tmp_path))) == []


def test_another_version_is_frozen_beside_the_old_one(tmp_path: Path) -> None:
    freeze(_event(), tmp_path)

    assert [p.name for p in freeze(_event(version=2, cycle=(int, ...)), tmp_path)] == [
        "Changed.v2.schema.json",
        "Changed.v2.example.json",
    ]


def test_words_of_explanation_may_change_freely(tmp_path: Path) -> None:
    freeze(_event(), tmp_path)
    explained = _event()
    explained.__doc__ = "It changed."

    assert list(complaints(explained, read(tmp_path))) == []


def test_the_command_freezes_the_whole_language_and_says_what_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["freeze", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("frozen: ") == 2 * len(EVENTS)
    assert command.main(["freeze", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


def test_the_command_ends_with_an_error_where_history_would_be_rewritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main(["freeze", "--folder", str(tmp_path)])
    path = tmp_path / "LeadErased.v1.schema.json"
    schema = orjson.loads(path.read_bytes())
    schema["properties"]["lead_id"] = {"type": "integer"}
    path.write_bytes(orjson.dumps(schema))

    assert command.main(["freeze", "--folder", str(tmp_path)]) == 1
    assert "LeadErased.v1, lead_id: its type was integer and is string" in capsys.readouterr().err


# Old versions, lifted: version 0 of LeadSuppressed called its reason `why`, and version -1 knew none.

_OLD, _OLDER = "leadloop.LeadSuppressed.v0", "leadloop.LeadSuppressed.v00"


def _why_becomes_reason(content: Content) -> tuple[str, Content]:
    return LeadSuppressed.type_name(), {"lead_id": content["lead_id"], "reason": content["why"]}


def _a_reason_is_added(content: Content) -> tuple[str, Content]:
    return _OLD, {**content, "why": "spam"}


@pytest.fixture
def old_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(UPCASTERS, _OLD, _why_becomes_reason)
    monkeypatch.setitem(UPCASTERS, _OLDER, _a_reason_is_added)


@pytest.mark.usefixtures("old_versions")
def test_an_old_version_is_lifted_step_by_step() -> None:
    newest = LeadSuppressed(lead_id=LeadId(_LEAD), reason=Reason("spam"))

    assert decode(_OLD, orjson.dumps({"lead_id": _LEAD, "why": "spam"})) == newest
    assert decode(_OLDER, orjson.dumps({"lead_id": _LEAD})) == newest


@pytest.mark.usefixtures("old_versions")
@pytest.mark.parametrize("content", [b"{}", b"[1]", b'"text"', b"{", b'{"lead_id": "x", "why": "spam"}', b"\xff"])
def test_garbage_under_an_old_name_is_a_fault_of_the_data(content: bytes) -> None:
    with pytest.raises(UndecodableRecord):
        decode(_OLD, content)


class _Nothing(msgspec.Struct, frozen=True):
    """A processor that remembers nothing."""


def _listener(event: type[Event], *, follows_life: bool = False) -> Processor[Any]:
    def decide(state: Any, said: Event, context: Context) -> Decision[Any]:
        assert isinstance(said, event)
        return Decision(state, (_refusal(context),))

    return Processor(ProcessorName("routing.lead"), LEADS, _Nothing, decide, frozenset({event}), follows_life)


def _refusal(context: Context) -> ActionRefused:
    full = example(ActionRefused)
    assert isinstance(full, ActionRefused)
    return full.model_copy(update={"action": context.effect.value})


def test_old_names_interest_whoever_listens_to_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _OLD not in interesting(_listener(LeadSuppressed))
    monkeypatch.setitem(UPCASTERS, _OLD, _why_becomes_reason)

    assert _OLD in interesting(_listener(LeadSuppressed))
    assert _OLD in interesting(_listener(ActionRefused, follows_life=True))
    assert _OLD not in interesting(_listener(LeadErased))


@pytest.mark.usefixtures("old_versions")
def test_a_processor_works_an_old_record_as_if_it_were_new() -> None:
    at = datetime(2026, 3, 2, tzinfo=UTC)
    envelope = Envelope(EventId("e1"), _OLD, "/old", at, _LEAD, "c", new_trace("e1"), "")
    record = Record(
        LEADS.name, 0, 0, at, _LEAD.encode(), orjson.dumps({"lead_id": _LEAD, "why": "spam"}), tuple(envelope.headers())
    )

    class NoAgreements:
        def in_force(self, at: datetime) -> Any:
            return None

        def version(self, number: int) -> None:
            return None

        def model_at(self, at: object) -> None:
            return None

        def next_after(self, at: datetime) -> None:
            return None

    done = step(
        _listener(LeadSuppressed, follows_life=True),
        None,
        Parts(),
        record,
        NoAgreements(),
        incarnation="i",
        source="/s",
        writer="w",
    )

    assert [said.event.action for said in done.said] == [Effect.VOID.value]  # type: ignore[attr-defined]
