"""`leadloop explain LEAD --routing`: each decision about a lead's pool and rep, and nothing else."""

from __future__ import annotations

from typing import Any

from services.console.explain import routing


def entry(kind: str, **event: Any) -> dict[str, Any]:
    return {"type": kind, "at": "2026-03-02T09:00:00Z", "void": False, "sentence": kind, "event": event}


EVENTS = [
    entry("LeadSubmitted", attributes={}),
    entry(
        "LeadRouted", ask={"kind": "pool", "pool_id": "inbound"}, team_id="sales", rule="everyone", because="all others",
        passed_over=[{"rule": "big", "because": "employees is not known"}], request_id="r.1",
    ),
    entry("LeadScored", score="1"),
    entry(
        "LeadAssigned", rep_id="ana", team_id="sales", pool_id="inbound", because="ana is due in inbound", chosen_by="turn",
        candidates=[{"rep_id": "ana", "taken": True, "because": "is due"}, {"rep_id": "bob", "taken": False, "because": "is away"}],
        accept_by=None,
    ),
    {**entry("AssignmentWithdrawn", because="ana left", cause={"kind": "rep_gone", "rep_id": "ana"}), "void": True},
]  # fmt: skip


def test_each_decision_names_its_rule_the_rules_before_it_and_every_candidate() -> None:
    routed, assigned, withdrawn = routing(EVENTS)

    assert (routed["type"], routed["pool_id"], routed["rule"]) == ("LeadRouted", "inbound", "everyone")
    assert routed["passed_over"] == [{"rule": "big", "because": "employees is not known"}]
    assert [(c["rep_id"], c["because"]) for c in assigned["candidates"]] == [("ana", "is due"), ("bob", "is away")]
    assert "accept_by" not in assigned
    assert withdrawn["void"] is True
