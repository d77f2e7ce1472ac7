"""The demo plays by the sample of the software company, at a minute's pace, and the change that it shows is a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.agreement import load
from schemas.vocabulary import AttributeName
from services.console.demo import change, play
from services.console.demo.cast import cast
from services.console.demo.seen import Seen
from services.console.first_agreement import SAMPLES
from services.console.roster import read_roster
from services.console.terminal import Refused

SOFTWARE = load((SAMPLES / "software.yaml").read_text(encoding="utf-8"), 1).terms
DEMO = load(play.AGREEMENT.read_text(encoding="utf-8"), 1).terms
HURRIED = {"name", "title", "teams", "calendars", "clocks", "giving_up", "reasons", "recycling", "channels", "escalations"}
"""Sections in which a minute has to hold a day: nobody can be tried four times, and there are no hours."""


def test_the_demos_agreement_is_the_sample_in_everything_but_its_times() -> None:
    for section in set(type(SOFTWARE).model_fields) - HURRIED:
        assert getattr(DEMO, section) == getattr(SOFTWARE, section), section

    assert set(DEMO.calendars) == {"always"}
    assert {name: team.title for name, team in DEMO.teams.items()} == {n: t.title for n, t in SOFTWARE.teams.items()}
    samples = {clock.id: clock for clock in SOFTWARE.clocks}
    for hurried in DEMO.clocks:
        sample, said = samples[hurried.id], {"title", "starts_on", "met_by", "on_breach"}
        assert hurried.model_dump(include=said) == sample.model_dump(include=said)
    for hurried_reason, reason in zip(DEMO.reasons, SOFTWARE.reasons, strict=True):
        assert hurried_reason.model_dump(exclude={"then"}) == reason.model_dump(exclude={"then"})
        assert type(hurried_reason.then) is type(reason.then)
    assert DEMO.recycling.cycles_at_most == SOFTWARE.recycling.cycles_at_most


def test_the_demos_reps_are_the_samples_at_any_hour() -> None:
    hurried, sample = read_roster(play.ROSTER).reps, read_roster(SAMPLES / "software-roster.yaml").reps
    assert [rep.model_dump(exclude={"calendar"}) for rep in hurried] == [
        rep.model_dump(exclude={"calendar"}) for rep in sample
    ]
    assert {rep.calendar for rep in hurried} == {"always"}


def test_what_prospects_say_is_what_the_agreement_asks() -> None:
    forms = set(DEMO.forms)
    attributes = DEMO.attributes
    for prospect in cast(60):
        assert prospect.topic in forms
        for name, value in (
            ("topic", prospect.topic),
            ("employees", prospect.employees),
            ("industry", prospect.industry),
            ("seniority", prospect.seniority),
            ("existing_customer", prospect.is_customer),
        ):
            attributes[AttributeName(name)].read(value)
        assert set(prospect.engagements) <= set(DEMO.engagements)


def test_the_second_version_lets_leads_qualify_that_did_not_before(tmp_path: Path) -> None:
    found = change.prepare(tmp_path / "new", play.AGREEMENT)

    assert found.proposed.path.read_text(encoding="utf-8") == found.proposed.text
    assert "the score is at least 45" in found.changes.sentences[0]
    assert "instead of when the score is at least 60" in found.changes.sentences[0]
    assert {(e.before.split()[0], e.after.split()[0]) for e in found.changes.examples} == {("nurtured", "qualified")}
    assert found.stand() == "version 1 is in force"


def test_a_sample_without_the_threshold_is_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"default\.yaml no longer says"):
        change.prepare(tmp_path, SAMPLES / "default.yaml")


def test_the_evening_waits_for_who_comes_back_today_and_for_nobody_else() -> None:
    seen = Seen()
    seen.status = {"one": "won", "two": "recycled"}
    assert seen.unfinished()
    seen.not_today.add("two")
    assert not seen.unfinished()
    seen.status["three"] = "waiting"
    assert seen.unfinished()
