"""The audit of a chaos run finds every fault of the table, and nothing in what is harmless."""

from __future__ import annotations

import copy
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.lifecycle import Effect, Life, State
from schemas.wire import Record
from tests.chaos import assignments
from tests.chaos.audit import audit
from tests.chaos.evidence import Evidence, Raw, keep, kept
from tests.chaos.findings import Findings
from tests.chaos.histories import Story
from tests.chaos.in_memory import evidence, write_changelogs
from tests.chaos.mutations import HARMLESS, MUTATIONS, Mutation, found_by

SEED = 7


@pytest.fixture(scope="module")
def sound() -> Evidence:
    """What a faultless run left behind."""
    return evidence()


@pytest.fixture
def taken(sound: Evidence) -> Evidence:
    """The same, to be changed."""
    return Evidence(
        {name: list(records) for name, records in sound.topics.items()},
        {name: list(records) for name, records in sound.changelogs.items()},
        copy.deepcopy(sound.promised), copy.deepcopy(sound.shown), sound.incarnations, sound.sources, sound.writer,
        sound.taken_at, sound.timers_late_at_most_seconds,
    )  # fmt: skip


def test_nothing_is_wrong_with_a_sound_run_in_which_everything_happened(sound: Evidence) -> None:
    findings = audit(sound)
    assert findings.wrong == {}
    happened = (
        "LeadWon", "LeadRejected", "LeadReturned", "LeadRecycled", "LeadReactivated", "LeadRetired", "AssignmentWithdrawn",
        "ActionRefused", "LeadNurtured", "LeadQueued", "ClockWarned", "ClockBreached", "ClockMet", "AlertSent", "mails",
    )  # fmt: skip
    assert [name for name in happened if not findings.counts[name]] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.what)
def test_the_audit_finds_that(mutation: Mutation, taken: Evidence) -> None:
    assert mutation.found_by <= found_by(mutation, taken, SEED)


@pytest.mark.parametrize("mutation", HARMLESS, ids=lambda m: m.what)
def test_the_audit_bears_that(mutation: Mutation, taken: Evidence) -> None:
    mutation.do(taken, random.Random(SEED))
    write_changelogs(taken)
    assert audit(taken).wrong == {}


def test_every_point_of_the_audit_has_a_fault_that_only_it_or_the_replay_would_see() -> None:
    points = {point for mutation in MUTATIONS for point in mutation.found_by}
    assert points == {
        "records", "dead letters", "submissions", "profiles", "actions", "places", "clocks", "timers", "replay", "repetitions",
        "alerts", "statuses", "ledger", "inboxes", "timelines", "states",
    }  # fmt: skip


def test_two_assignments_at_once_are_found_even_if_the_fold_itself_let_them_be() -> None:
    log = [_assigned(10, "first", "anna"), _assigned(11, "second", "ben")]
    story = Story(log, Life(state=State.ASSIGNED, offer="second"), {raw.event_id: Effect.EFFECT for raw in log})  # type: ignore[arg-type]
    findings = Findings()
    assignments.check(Evidence({}, {}, None, None, {}), {"lead": story}, findings)  # type: ignore[arg-type]
    assert findings.wrong == {"assignments": ["lead lead: leads/0@11 assigns it to ben while anna has it"]}


def _assigned(offset: int, request: str, rep: str) -> Raw:
    value = b'{"request_id":"%b","rep_id":"%b"}' % (request.encode(), rep.encode())
    headers = (("ce_type", b"leadloop.LeadAssigned.v1"), ("ce_id", request.encode()))
    return Raw(Record("leads", 0, offset, datetime(2026, 3, 2, tzinfo=UTC), b"lead", value, headers))


def test_a_lead_that_is_owed_something_is_not_at_rest(taken: Evidence) -> None:
    """Everything after its submission is lost: scoring owes it a verdict for ever."""
    lead = sorted(taken.promised.people)[0]
    kept_so_far: list[Raw] = []
    for raw in taken.topics["leads"]:
        if raw.key != lead or raw.name == "LeadSubmitted":
            kept_so_far.append(raw)
    taken.topics["leads"] = kept_so_far
    assert f"lead {lead} is new and is owed a verdict from scoring" in audit(taken).wrong["rest"]


def test_evidence_can_be_kept_in_a_file_and_audited_again(taken: Evidence, tmp_path: Path) -> None:
    keep(taken, tmp_path / "evidence")
    again = kept(tmp_path / "evidence")
    assert again.topics == taken.topics
    assert audit(again).report() == audit(taken).report()


def test_a_report_says_first_what_is_wrong_and_where(taken: Evidence) -> None:
    taken.shown.inboxes["anna"].append("ghost")
    findings = audit(taken)
    assert findings.report().splitlines()[:2] == ["inboxes: 1 wrong", f"  {findings.wrong['inboxes'][0]}"]
