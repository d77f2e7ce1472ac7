"""The registry: one writer for each event, every event in it, and readers that really read."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import schemas.events
from schemas.agreement.life import COURSE_EVENTS
from schemas.base import Event
from schemas.events import alerting, desk, scoring, sla
from schemas.events.alerting import AlertSent
from schemas.events.desk import LeadAccepted, ProfileNote
from schemas.events.intake import EngagementObserved
from schemas.events.runtime import TimerDue
from schemas.events.scoring import ModelPublished
from schemas.history.examples import example
from schemas.lifecycle import LIFE_EVENTS
from schemas.topics import (
    ALERTS,
    LEADS,
    REGISTRY,
    TEAMS,
    TOPICS,
    Entry,
    NotItsToSay,
    Topic,
    by_type_name,
    key_of,
    topic_of,
)
from services.runtime.main import SERVICES, Service

ABSTRACT = frozenset({alerting.CrmRecord, desk.Action, desk.Outcome, desk.RosterMember, scoring.Verdict, sla.ClockEvent})
"""What several events share; never said itself."""

_SERVICES = Path(__file__).resolve().parents[2] / "services"
_WITHOUT_DATABASE = ("scoring", "routing", "sla", "recycling", "alerting")
"""Services that read by processors (and alerting's sender) alone; the others project whole topics."""


def _defined() -> Iterator[type[Event]]:
    for module in pkgutil.iter_modules(schemas.events.__path__):
        for _, kind in inspect.getmembers(importlib.import_module(f"schemas.events.{module.name}"), inspect.isclass):
            if issubclass(kind, Event) and kind.__module__ == f"schemas.events.{module.name}":
                yield kind


def _module_of(event: type[Event]) -> str:
    return event.__module__.rsplit(".", 1)[1]


def test_every_event_that_is_defined_is_registered_or_never_said_itself() -> None:
    registered = {entry.event for entry in REGISTRY}

    assert set(_defined()) - ABSTRACT == registered
    assert not registered & ABSTRACT


def test_each_event_has_exactly_one_writer_and_one_name() -> None:
    assert [e for e, n in Counter(entry.event for entry in REGISTRY).items() if n > 1] == []
    assert len(by_type_name()) == len(REGISTRY)


@pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.event.__name__)
def test_the_writer_is_a_service_and_its_events_stand_in_its_module(entry: Entry) -> None:
    assert entry.writer in {*SERVICES, "console", "runtime"}
    assert _module_of(entry.event) == entry.writer
    assert entry.readers <= {*SERVICES, "console"}
    assert set(entry.topics) <= set(TOPICS)


@pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.event.__name__)
def test_an_event_has_the_key_of_each_topic_that_it_may_stand_in(entry: Entry) -> None:
    for topic in entry.topics:
        assert key_of(example(entry.event), topic)


@pytest.mark.parametrize("entry", REGISTRY, ids=lambda entry: entry.event.__name__)
@pytest.mark.parametrize("service", [*SERVICES, "console", "runtime"])
def test_nobody_says_what_is_anothers_to_say(entry: Entry, service: str) -> None:
    event = example(entry.event)
    if service == entry.writer:
        assert topic_of(event, service) is entry.topics[0]
        return
    with pytest.raises(NotItsToSay, match=f"{entry.event.__name__} is {entry.writer}'s to say, not {service}'s"):
        topic_of(event, service)


def test_an_event_that_is_not_registered_cannot_be_said() -> None:
    class Invented(Event):
        """Nobody says it."""

    with pytest.raises(NotItsToSay, match="Invented is in no entry of"):
        topic_of(Invented(), "desk")


def test_an_event_goes_into_no_topic_but_its_own() -> None:
    with pytest.raises(NotItsToSay, match="LeadAccepted does not belong into teams"):
        topic_of(example(LeadAccepted), "desk", TEAMS)
    for topic in (LEADS, TEAMS, ALERTS):
        assert topic_of(example(TimerDue), "runtime", topic) is topic


def test_a_note_is_kept_beside_the_profile_and_does_not_replace_it() -> None:
    note = example(ProfileNote)
    assert isinstance(note, ProfileNote)
    [topic] = next(entry.topics for entry in REGISTRY if entry.event is ProfileNote)

    assert key_of(note, topic) == f"{note.lead_id}/{note.note_id}"


# Who reads what: the registry's word against the services themselves.


def _service(name: str) -> Service:
    if not (_SERVICES / name / "app.py").exists():
        pytest.fail(f"services/{name}/app.py is missing: the registry names a service that there is not")
    found: Service = importlib.import_module(f"services.{name}.app").SERVICE
    return found


def _heard(service: Service) -> set[type[Event]]:
    heard: set[type[Event]] = set(COURSE_EVENTS)  # every process reads the agreements, by the runtime
    for processor in service.processors:
        heard |= processor.listens | (LIFE_EVENTS if processor.follows_life else frozenset())
    if service.name == "alerting":
        heard |= importlib.import_module("services.alerting.sender").READS
        heard |= importlib.import_module("services.alerting.reading").READS
    if service.name == "scoring":  # the learner in its background, and the models by the runtime
        heard |= importlib.import_module("services.scoring.lessons.gathering").READS | {ModelPublished}
    return heard


@pytest.mark.parametrize("name", _WITHOUT_DATABASE)
def test_a_processing_service_reads_exactly_what_the_registry_says(name: str) -> None:
    declared = {entry.event for entry in REGISTRY if name in entry.readers}

    assert _names(declared) == _names(_heard(_service(name)))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - set(_WITHOUT_DATABASE)))
def test_a_projecting_service_reads_the_topics_that_the_registry_says(name: str) -> None:
    declared = {
        t for entry in REGISTRY if name in entry.readers and entry.event not in (*COURSE_EVENTS, ModelPublished) for t in entry.topics
    }
    heard = {topic for topics in _projected(name) for topic in topics}

    assert {t.name for t in declared} <= {t.name for t in heard}


def _projected(name: str) -> Iterator[tuple[Topic, ...]]:
    _service(name)
    package = importlib.import_module(f"services.{name}")
    for module in pkgutil.walk_packages(package.__path__, f"services.{name}."):
        if module.name.endswith("__main__"):
            continue
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if kind.__module__ == module.name and hasattr(kind, "apply") and hasattr(kind, "topics"):
                yield kind.topics


def _names(events: set[type[Event]]) -> list[str]:
    return sorted(event.__name__ for event in events)


def test_the_test_itself_sees_what_a_service_hears() -> None:
    assert AlertSent in _heard(_service("alerting"))
    assert EngagementObserved not in _heard(_service("alerting"))
