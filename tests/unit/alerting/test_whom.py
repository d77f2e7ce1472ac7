"""By lead: whom alerting tells, of what, and of what not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from schemas.base import Event
from schemas.events.alerting import AlertKind, AlertRequested
from schemas.events.desk import LeadAccepted, LeadRejected
from schemas.events.intake import LeadSubmitted
from schemas.events.routing import FromPool, LeadAssigned, LeadQueued, LeadRouted, QueueReason
from schemas.events.scoring import LeadQualified
from schemas.events.sla import AlertOnly, ClockBreached, ClockWarned, Reassign
from schemas.ids import (
    AgreementName,
    ClockId,
    ClockName,
    ContentDigest,
    LeadId,
    PoolId,
    RepId,
    RequestId,
    RuleId,
    SubmissionId,
    TeamId,
)
from schemas.vocabulary import Because, ByRep, Reason
from services.alerting.processors import LEAD
from tests.unit.alerting.world import T0, Log, agreement

_LEAD = LeadId("4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11")
_REQUEST = RequestId(f"{_LEAD}.1")
_SAID = {"agreement": AgreementName("default"), "agreement_version": 1}


def _until_offered() -> list[Event]:
    return [
        LeadSubmitted(
            lead_id=_LEAD,
            submission_id=SubmissionId("0d6c1b52-9a3e-5f47-8b21-6e5d4c3b2a19"),
            content=ContentDigest("a" * 64),
            submitted_at=T0,
        ),
        LeadQualified(
            lead_id=_LEAD,
            judged_at=0,
            rule=RuleId("score"),
            because=Because("the score is 60"),
            score=Decimal(60),
            grade="A1",
            **_SAID,
        ),
        LeadRouted(
            lead_id=_LEAD,
            epoch=1,
            request_id=_REQUEST,
            team_id=TeamId("sales"),
            ask=FromPool(pool_id=PoolId("inbound")),
            rule=RuleId("everyone"),
            because=Because("every other lead goes to inbound"),
            **_SAID,
        ),
    ]


def _assigned() -> LeadAssigned:
    return LeadAssigned(
        lead_id=_LEAD,
        request_id=_REQUEST,
        team_id=TeamId("sales"),
        pool_id=PoolId("inbound"),
        rep_id=RepId("mira"),
        number=1,
        because=Because("mira is next"),
        **_SAID,
    )


def _queued(reason: QueueReason) -> LeadQueued:
    return LeadQueued(
        lead_id=_LEAD,
        request_id=_REQUEST,
        team_id=TeamId("sales"),
        pool_id=PoolId("inbound"),
        reason=reason,
        because=Because("nobody of inbound is available"),
        **_SAID,
    )


_CLOCK = {
    "lead_id": _LEAD,
    "clock_id": ClockId("c1"),
    "clock": ClockName("first-response"),
    "assignment_id": _REQUEST,
    "team_id": TeamId("sales"),
    "rep_id": RepId("mira"),
}


def _warned(share: float = 0.5) -> ClockWarned:
    return ClockWarned(**_CLOCK, share=share, due_at=T0 + timedelta(hours=2), deadline_at=T0 + timedelta(hours=4))


def _breached(**change: object) -> ClockBreached:
    return ClockBreached(
        **{**_CLOCK, "deadline_at": T0 + timedelta(hours=4), "since": 4, "on_breach": Reassign(), **change}
    )


def _log(*more: Event, **replacements: str) -> Log:
    log = Log(LEAD, agreement(**replacements))
    for event in (*_until_offered(), *more):
        assert log.append(event) == []
    return log


def test_a_warning_on_an_assignment_in_effect_is_told_to_the_channels_that_the_agreement_names() -> None:
    [alert] = _log(_assigned()).append(_warned())

    assert isinstance(alert, AlertRequested)
    assert (alert.recipient, alert.kind, alert.rep_id) == ("managers", AlertKind.CLOCK_WARNED, "mira")
    assert alert.because == "50% of the clock first-response has passed, it runs out at 2026-03-02 13:00 UTC"
    assert alert.deadline_at == T0 + timedelta(hours=4)


def test_a_breach_says_what_becomes_of_the_lead() -> None:
    [taken] = _log(_assigned()).append(_breached())
    [kept] = _log(_assigned()).append(_breached(on_breach=AlertOnly()))

    assert taken.because == "the clock first-response ran out at 2026-03-02 13:00 UTC, the lead is taken from mira"
    assert kept.because.endswith("mira keeps it")


def test_each_warning_of_a_clock_is_an_alert_of_its_own_and_none_comes_twice() -> None:
    log = _log(_assigned())
    [first] = log.append(_warned(0.5))
    [second] = log.append(_warned(0.8))

    assert first.alert_id != second.alert_id
    assert log.append(_warned(0.5)) == []


def test_the_same_occasion_has_the_same_alert_id_in_every_run() -> None:
    assert _log(_assigned()).append(_warned()) == _log(_assigned()).append(_warned())


def test_a_breach_that_lost_the_race_against_a_rejection_tells_nobody() -> None:
    rejected = LeadRejected(
        lead_id=_LEAD, assignment_id=_REQUEST, by=ByRep(rep_id=RepId("mira")), occurred_at=T0, reason=Reason("no_fit")
    )

    assert _log(_assigned(), rejected).append(_breached()) == []


def test_an_accepted_lead_is_still_watched() -> None:
    accepted = LeadAccepted(lead_id=_LEAD, assignment_id=_REQUEST, by=ByRep(rep_id=RepId("mira")), occurred_at=T0)

    assert len(_log(_assigned(), accepted).append(_breached())) == 1


def test_a_lead_that_nobody_takes_is_told_but_not_one_that_waits_to_be_claimed() -> None:
    [alert] = _log().append(_queued(QueueReason.NOBODY_AVAILABLE))

    assert (alert.kind, alert.because) == (AlertKind.LEAD_QUEUED, "nobody of inbound is available")
    assert _log().append(_queued(QueueReason.TO_BE_CLAIMED)) == []


def test_a_void_queue_entry_tells_nobody() -> None:
    assert _log(_assigned()).append(_queued(QueueReason.NOBODY_AVAILABLE)) == []


def test_without_an_alert_in_the_agreement_nobody_is_told() -> None:
    log = _log(_assigned(), **{"  - {on: clock_warned, to: [managers]}\n": ""})

    assert log.append(_warned()) == []
    assert len(log.append(_breached())) == 1
