"""Leads as they arrive at the desk: what the other services say until a rep has one, by their own pens."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.events import intake, routing, scoring, sla
from schemas.ids import LeadId, RequestId, SubmissionId, digest, request_id
from services.runtime.appending import Appended
from tests.integration.served import Pens

ROSTER = {
    "reps": [
        {"id": "anna", "team": "sales", "pools": {"inbound": 2, "pick": 1}},
        {"id": "ben", "team": "sales", "pools": {"inbound": 1, "pick": 1}, "open_leads_cap": 20, "calendar": "always"},
        {"id": "dario", "team": "sales", "role": "ae", "pools": {"closing": 1}},
    ]
}
_NUMBERS = itertools.count(1)
AGREED = {"agreement": "tests", "agreement_version": 1}


@dataclass
class Lead:
    """One lead of a test, and the pens that write its log."""

    write: Pens
    lead_id: LeadId
    assignment_id: RequestId | None = None

    async def submitted(self, **said: Any) -> Appended:
        number = next(_NUMBERS)
        profile = {
            "email": f"lead-{number}@example.com",
            "name": f"Lead {number}",
            "company": "Acme",
            "external_ids": {"crm": f"{number}"},
        }
        await self.write.by(
            "intake",
            intake.LeadProfile.model_validate(
                {"lead_id": self.lead_id, "updated_at": datetime.now(UTC), **profile, **said.pop("profile", {})}
            ),
        )
        return await self.write.by(
            "intake",
            intake.LeadSubmitted.model_validate(
                {
                    "lead_id": self.lead_id,
                    "submission_id": SubmissionId(str(uuid.uuid4())),
                    "content": digest(str(number).encode()),
                    "submitted_at": datetime.now(UTC),
                    "source": {"channel": "web", "campaign": "spring"},
                    "form": "demo",
                    "attributes": {"employees": 120},
                    **said,
                }
            ),
        )

    async def qualified(self) -> Appended:
        at = await self.submitted()
        grade = {"score": "40", "grade": "A1"}
        await self.write.by(
            "scoring",
            scoring.LeadScored.model_validate(
                {
                    "lead_id": self.lead_id,
                    **grade,
                    "fit": "25",
                    "engagement": "15",
                    **AGREED,
                    "contributions": [
                        {
                            "part": "fit",
                            "rule": "size",
                            "points": "25",
                            "because": "the company has at least 50 people",
                        },
                        {"part": "engagement", "rule": "pricing", "points": "15", "because": "looked at prices"},
                    ],
                }
            ),
        )
        return await self.write.by(
            "scoring",
            scoring.LeadQualified.model_validate(
                {
                    "lead_id": self.lead_id,
                    "judged_at": at.offset,
                    "rule": "rest",
                    "because": "everybody is",
                    **grade,
                    **AGREED,
                }
            ),
        )

    async def routed(self, epoch: int, pool: str = "inbound") -> RequestId:
        offer = request_id(self.lead_id, epoch)
        await self.write.by(
            "routing",
            routing.LeadRouted.model_validate(
                {
                    "lead_id": self.lead_id,
                    "epoch": epoch,
                    "request_id": offer,
                    "team_id": "sales",
                    "ask": {"kind": "pool", "pool_id": pool},
                    "rule": "everyone",
                    "because": "everybody else",
                    **AGREED,
                }
            ),
        )
        return offer

    async def assigned(self, rep: str, epoch: int | None = None) -> RequestId:
        """The whole way to `rep`, or (with the epoch of the state that it answers) from there again."""
        if epoch is None:
            epoch = (await self.qualified()).offset
        self.assignment_id = await self.routed(epoch)
        await self.write.by(
            "routing",
            routing.LeadAssigned.model_validate(
                {
                    "lead_id": self.lead_id,
                    "request_id": self.assignment_id,
                    "team_id": "sales",
                    "pool_id": "inbound",
                    "rep_id": rep,
                    "number": 1,
                    "because": "is due",
                    **AGREED,
                }
            ),
        )
        return self.assignment_id

    async def queued_to_be_claimed(self) -> RequestId:
        offer = await self.routed((await self.qualified()).offset, "pick")
        await self.write.by(
            "routing",
            routing.LeadQueued.model_validate(
                {
                    "lead_id": self.lead_id,
                    "request_id": offer,
                    "team_id": "sales",
                    "pool_id": "pick",
                    "reason": "to_be_claimed",
                    "because": "reps take it themselves",
                    **AGREED,
                }
            ),
        )
        return offer

    async def clock(self, rep: str, event: str = "ClockStarted") -> None:
        started = datetime.now(UTC)
        core: dict[str, Any] = {
            "lead_id": self.lead_id,
            "clock_id": f"first-response.{self.assignment_id}",
            "clock": "first-response",
            "assignment_id": self.assignment_id,
            "team_id": "sales",
            "rep_id": rep,
            "deadline_at": started + timedelta(hours=4),
        }
        more: dict[str, dict[str, Any]] = {
            "ClockStarted": {"started_at": started, "calendar": "always", "because": "assigned", **AGREED},
            "ClockWarned": {"share": 0.5, "due_at": started},
            "ClockBreached": {"since": 0, "on_breach": {"kind": "reassign"}},
            "ClockMet": {"met_at": started, "met_by": "e1"},
        }
        await self.write.by("sla", getattr(sla, event).model_validate(core | more[event]))


def new_lead(write: Pens) -> Lead:
    """A lead that nobody has heard of."""
    return Lead(write, LeadId(str(uuid.uuid4())))
