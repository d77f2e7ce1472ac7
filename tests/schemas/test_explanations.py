"""Who decides reads events without the fields that only tell people why; all else is read, and refused, as ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.base import Event, Explanation
from schemas.events.routing import LeadAssigned
from schemas.topics import REGISTRY
from schemas.wire import UndecodableRecord, decode

FROZEN = Path(__file__).parents[2] / "schemas" / "frozen"
ASSIGNED = {
    "lead_id": "0b5a3c1e-6f1d-5c3a-9d7b-1f2e3d4c5b6a", "request_id": "0b5a3c1e-6f1d-5c3a-9d7b-1f2e3d4c5b6a.7",
    "team_id": "sales", "pool_id": "inbound", "rep_id": "ada", "number": 1, "because": "ada is due",
    "candidates": [{"rep_id": "ada", "taken": True, "because": "is due first"}], "agreement": "house", "agreement_version": 1,
}  # fmt: skip


def explaining(event: type[Event]) -> set[str]:
    return {name for name, field in event.model_fields.items() if Explanation in field.metadata}


@pytest.mark.parametrize("event", [entry.event for entry in REGISTRY], ids=lambda event: event.__name__)
def test_all_but_the_explanations_is_read(event: type[Event]) -> None:
    example = (FROZEN / f"{event.type_name().removeprefix('leadloop.')}.example.json").read_bytes()
    whole, brief = decode(event.type_name(), example), decode(event.type_name(), example, explained=False)
    assert type(brief) is event
    assert brief.__dict__ == {n: v for n, v in whole.__dict__.items() if n not in explaining(event)}


def test_whoever_asks_for_what_was_passed_over_is_told_that_it_is_not_there() -> None:
    brief = decode(LeadAssigned.type_name(), json.dumps(ASSIGNED).encode(), explained=False)
    assert isinstance(brief, LeadAssigned)
    with pytest.raises(AttributeError, match="candidates"):
        _ = brief.candidates


@pytest.mark.parametrize("wrong", [{"rep_id": "Ada Lovelace <ada@example.com>"}, {"number": "many"}, {"because": "call +49 170 1234567"}])
def test_what_is_wrong_elsewhere_is_refused_as_ever(wrong: dict[str, object]) -> None:
    with pytest.raises(UndecodableRecord, match=next(iter(wrong))):
        decode(LeadAssigned.type_name(), json.dumps(ASSIGNED | wrong).encode(), explained=False)


def test_what_is_wrong_in_an_explanation_is_wrong_for_people_only() -> None:
    value = json.dumps(ASSIGNED | {"candidates": ["ada"]}).encode()
    decode(LeadAssigned.type_name(), value, explained=False)
    with pytest.raises(UndecodableRecord, match="candidates"):
        decode(LeadAssigned.type_name(), value)
