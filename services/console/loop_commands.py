"""What one asks of a running loop: how it is, its topics, the journey of a lead."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

import httpx
import typer
from rich.table import Table

from schemas.ids import LeadId
from services.console.audit_commands import app as audits
from services.console.explain import ROUTING, Line, find_lead, journey, routing
from services.console.house import state_of
from services.console.installation import Installation
from services.console.options import AsJson, Data, doors_of, folder_of, settings_by
from services.console.ports import HOST
from services.console.score_commands import told as score_told
from services.console.terminal import EXIT_REFUSED, out, say_json
from services.console.topics import look_at_topics
from services.runtime.finding import SERVICES

_STATE_COLOURS = {
    "ready": "green",
    "starting": "yellow",
    "pausing": "yellow",
    "refused": "red",
    "stopped": "red",
    "not running": "red",
}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (status, topics, explain):
        app.command()(command)
    app.add_typer(audits, name="audit")


def status(data: Data = None, as_json: AsJson = False) -> None:
    """Say what runs, where its doors are, and whether each service is ready. Exits 1 when one is not."""
    installation = Installation.find(folder_of(data))
    state = state_of(installation)
    workers = (
        _workers(state) if state is not None else [{"name": service, "state": "not running"} for service in SERVICES]
    )
    ready = all(worker["state"] == "ready" for worker in workers)
    if as_json:
        addresses = (
            {key: state[key] for key in ("kafka", "intake", "desk", "feedback", "pids", "supervisor")} if state else {}
        )
        say_json({"ready": ready, "data": str(installation.folder), **addresses, "workers": workers})
    else:
        _show_workers(workers)
        if state is None:
            out().print(f"nothing runs; start it: leadloop up --data {installation.folder}", markup=False)
        else:
            out().print(
                f"intake {state['intake']}   desk {state['desk']}   feedback {state['feedback']}   Kafka "
                f"{state['kafka']}",
                markup=False,
                soft_wrap=True,
            )
    if not ready:
        raise typer.Exit(EXIT_REFUSED)


def _workers(state: dict[str, Any]) -> list[dict[str, Any]]:
    """What the supervisor has written down, corrected by what each service says of itself now."""
    return [
        worker | _asked(worker) if worker["state"] in ("ready", "starting") else worker for worker in state["workers"]
    ]


def _asked(worker: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = httpx.get(f"http://{HOST}:{worker['port']}/readyz", timeout=5)
    except httpx.HTTPError:
        return {"state": "starting", "because": "its door does not answer"}
    if answer.status_code == httpx.codes.OK:
        return {"state": "ready", "because": ""}
    parts = answer.json().get("parts", {})
    return {
        "state": "starting",
        "because": "; ".join(f"{name}: {part['because']}" for name, part in parts.items() if not part["ok"]),
    }


def _show_workers(workers: list[dict[str, Any]]) -> None:
    table = Table(show_edge=False, pad_edge=False)
    for column in ("service", "state", "pid", "port", "restarts", "because"):
        table.add_column(column, overflow="fold")
    for worker in workers:
        colour = _STATE_COLOURS.get(worker["state"], "white")
        rest = (str(worker.get(key) or "") for key in ("pid", "port", "restarts", "because"))
        table.add_row(worker["name"], f"[{colour}]{worker['state']}[/]", *rest)
    out().print(table)


def topics(data: Data = None, as_json: AsJson = False) -> None:
    """List the topics with their records. Exits 1 when one is missing or has another number of partitions."""
    found = asyncio.run(look_at_topics(settings_by(data)))
    if as_json:
        say_json(found)
    else:
        table = Table(show_edge=False, pad_edge=False)
        for column in ("topic", "key", "partitions", "records", "kept", "what"):
            table.add_column(
                column, overflow="fold", justify="right" if column in ("partitions", "records") else "left"
            )
        for topic in found:
            marked = topic["name"] if topic["well"] else f"[red]{topic['name']}[/]"
            table.add_row(
                marked, topic["key"], str(topic["partitions"]), str(topic["records"]), topic["kept"], topic["what"]
            )
        out().print(table)
    if not all(topic["well"] for topic in found):
        raise typer.Exit(EXIT_REFUSED)


def explain(
    lead: Annotated[str, typer.Argument(help="The lead's id, or its e-mail address or telephone number.")],
    data: Data = None,
    as_json: AsJson = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what changed nothing: timers, scores that stayed the same.")
    ] = False,
    only_routing: Annotated[
        bool, typer.Option("--routing", help="Only who it went to and why: rules, candidates, and why not the others.")
    ] = False,
) -> None:
    """Tell the whole journey of a lead in sentences, with times and reasons."""
    doors = doors_of(data)
    lead_id = find_lead(lead, data)
    lead_now, events = (
        doors.get("feedback", f"/v1/leads/{lead_id}"),
        doors.get("feedback", f"/v1/leads/{lead_id}/timeline"),
    )
    if only_routing:
        _explain_routing(lead_id, lead_now, events["events"], as_json)
        return
    told = journey(lead_now, events["events"], everything)
    score = None if lead_now["lead_status"] == "erased" else doors.get("feedback", f"/v1/leads/{lead_id}/score")
    if as_json:
        journey_told = [asdict(line) for line in told]
        say_json({"lead_id": lead_id, "now": lead_now, "journey": journey_told, "score": score})
        return
    _show_journey(lead_id, told)
    for sentence_of_score in score_told(score) if score is not None else ():
        out().print(sentence_of_score, markup=False)


def _explain_routing(lead_id: LeadId, lead_now: Any, events: list[Any], as_json: bool) -> None:
    if as_json:
        say_json({"lead_id": lead_id, "now": lead_now, "decisions": routing(events)})
    else:
        _show_journey(lead_id, journey(lead_now, [e for e in events if e["type"] in ROUTING], everything=True))


def _show_journey(lead_id: LeadId, told: list[Line]) -> None:
    out().print(f"lead {lead_id}", style="bold", markup=False)
    for line in told:
        out().print(f"{line.at}  {line.said}", style="dim" if line.void else None, markup=False)
        for reason in line.reasons:
            out().print(f"{' ' * 23}{reason}", style="dim", markup=False)
