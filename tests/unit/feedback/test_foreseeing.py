"""A likely breach is said once, with an id that stays, for clocks and thresholds that the agreement asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.agreement import Agreement, load
from schemas.events.feedback import BreachForeseen
from services.feedback import tables
from services.feedback.foreseeing import Foreseer
from services.runtime.appending import BrokerAway

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_DEFAULT = Path("deploy/agreements/default.yaml").read_text(encoding="utf-8")
_FORECASTS = """
forecasts:
  - {at_least: 0.6, within: 2h, to: [managers], clocks: [first-response]}
  - {at_least: 0.95, within: 2h, to: [managers]}
"""


def _agreement(forecasts: str = _FORECASTS) -> Agreement:
    return load(_DEFAULT.replace("calendar: office", "calendar: always") + forecasts, 1)


def _clock(name: str, *, started: timedelta, deadline: timedelta, state: str = "running", used: float = 0.5, rep: str = "anna") -> dict[str, Any]:
    def ms(at: datetime) -> int:
        return round(at.timestamp() * 1000)

    begins, ends = NOW + started, NOW + deadline
    return {
        "clock_id": name, "lead_id": "4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11", "clock": "first-response", "team_id": "sales",
        "rep_id": rep, "grade": "A1", "channel": None, "campaign": None, "calendar": "always", "started_ms": ms(begins),
        "deadline_ms": ms(ends), "ended_ms": None if state == "running" else ms(begins + (ends - begins) * used),
        "warned_ms": None, "state": state, "late": False, "grace": False,
    }  # fmt: skip


class House:
    """A ledger, an agreement and a log, each of which may be away."""

    def __init__(self, *running: dict[str, Any], agreement: Agreement | None = None) -> None:
        self.it = agreement if agreement is not None else _agreement()
        self.away = False
        self.said: dict[str, BreachForeseen] = {}
        self.engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
        tables.METADATA.create_all(self.engine)
        day = timedelta(days=1)
        ended = [
            _clock(f"old-{n}", started=-day, deadline=-day / 2, state="breached" if n % 4 else "met", used=1.0 if n % 4 else 0.8)
            for n in range(40)
        ]
        with self.engine.begin() as connection:
            connection.execute(sa.insert(tables.CLOCKS), [*ended, *running])

    async def read_to_end(self, **_: Any) -> None:
        """All is read."""

    async def read(self, query: Callable[[sa.Connection], Any]) -> Any:
        with self.engine.begin() as connection:
            return query(connection)

    def in_force(self, at: datetime) -> Agreement:
        return self.it

    async def append_all(self, events: list[BreachForeseen], *, event_ids: list[str]) -> None:
        if self.away:
            raise BrokerAway("the broker does not answer")
        self.said.update(zip(event_ids, events, strict=True))

    def foreseer(self) -> Foreseer:
        return Foreseer(self, self, self)  # type: ignore[arg-type]


_SOON = _clock("soon", started=timedelta(hours=-1), deadline=timedelta(hours=1))


def _look(foreseer: Foreseer, at: datetime = NOW) -> list[BreachForeseen]:
    return asyncio.run(foreseer.look(at))


def test_a_likely_breach_is_said_once_with_its_probability_and_reason() -> None:
    house = House(_SOON, _clock("late", started=timedelta(hours=-1), deadline=timedelta(hours=3)))
    foreseer = house.foreseer()
    [event] = _look(foreseer)

    assert (event.clock_id, event.rep_id, event.deadline_at) == ("soon", "anna", NOW + timedelta(hours=1))
    assert 0.6 <= event.probability <= 1
    assert event.because.startswith("the clock first-response will probably run out at 2026-03-02 10:00 UTC (")
    assert "anna is as fast as all and has 2 open" in event.because
    assert _look(foreseer, NOW + timedelta(minutes=1)) == []


def test_a_restart_says_it_again_under_the_same_id() -> None:
    house = House(_SOON)
    assert len(_look(house.foreseer())) == len(_look(house.foreseer())) == 1
    assert len(house.said) == 1


def test_what_could_not_be_said_is_said_the_next_time() -> None:
    house = House(_SOON)
    foreseer = house.foreseer()
    house.away = True
    with pytest.raises(BrokerAway):
        _look(foreseer)
    house.away = False

    assert len(_look(foreseer)) == 1


def test_another_deadline_is_another_forecast() -> None:
    house = House(_SOON)
    foreseer = house.foreseer()
    _look(foreseer)
    with house.engine.begin() as connection:
        connection.execute(sa.update(tables.CLOCKS).where(tables.CLOCKS.c.clock_id == "soon").values(deadline_ms=_SOON["deadline_ms"] + 600_000))

    assert len(_look(foreseer)) == 1
    assert len(house.said) == 2


def test_without_a_wish_in_the_agreement_nothing_is_said() -> None:
    assert _look(House(_SOON, agreement=_agreement("")).foreseer()) == []
