"""The doors of bulk import: a file in, how far it is, its rows, an end to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse

from services.intake.imports.columns import LEFT_OUT, is_field
from services.intake.imports.files import FileRefused, Kind
from services.intake.imports.queue import ImportQueue, Progress
from services.intake.imports.tables import Outcome
from services.intake.imports.understanding import Order, Understood, understand
from services.runtime.agreements import AgreementReader
from services.runtime.http import Problem
from services.runtime.settings import Settings

LARGEST_FILE = 64 * 1024 * 1024
PATH = "/v1/imports"
CLOCKS_DIFFER_BY = timedelta(minutes=5)
_REFUSALS_SHOWN = 100
_KINDS = {
    "text/csv": Kind.CSV,
    "application/csv": Kind.CSV,
    "text/tab-separated-values": Kind.CSV,
    "application/x-ndjson": Kind.JSONL,
    "application/ndjson": Kind.JSONL,
    "application/jsonl": Kind.JSONL,
    "application/x-jsonlines": Kind.JSONL,
}
_CHARSET = re.compile(r"charset=\"?([\w.:-]+)", re.IGNORECASE)


def import_doors(settings: Settings, agreements: AgreementReader, queue: ImportQueue) -> APIRouter:
    """Everything under /v1/imports."""
    router = APIRouter(prefix=PATH, tags=["imports"])

    @router.post("", status_code=202, summary="Import a file of leads")
    async def put(
        request: HttpRequest,
        name: Annotated[str, Query(max_length=200, description="what the file is called")] = "",
        columns: Annotated[
            list[str] | None, Query(alias="map", description="COLUMN=field, or COLUMN=- to leave it out")
        ] = None,
        fixed: Annotated[
            list[str] | None, Query(alias="set", description="field=value for rows that do not say it themselves")
        ] = None,
        zone: Annotated[str, Query(description="of times that name none")] = "UTC",
        dry_run: Annotated[bool, Query(description="say what would be done, and do nothing")] = False,
    ) -> JSONResponse:
        """The body is the file: CSV (`text/csv`) or JSON Lines (`application/x-ndjson`), at most 64 MB.

        202 means: every row is in the durable queue, or refused with its line and the remedy. The same file again is the
        same import, the same row again the same submission.
        """
        kind, charset = _kind(request)
        now = datetime.now(UTC)
        order = Order(
            kind=kind,
            charset=charset,
            columns=_pairs(columns, "map"),
            fixed=_fixed(fixed),
            zone=_zone(zone),
            latest=now + CLOCKS_DIFFER_BY,
        )
        raw = await request.body()
        attributes = frozenset(map(str, agreements.in_force(now).attributes))
        try:
            understood = await asyncio.to_thread(
                understand, raw, order, attributes, settings.secret, settings.lead_namespace
            )
        except FileRefused as error:
            raise Problem(422, "The file cannot be imported", f"{_capital(str(error))}.") from error
        if dry_run:
            return JSONResponse(_planned(name, understood), 200)
        import_id, again = await queue.put(understood.as_import(name, round(now.timestamp() * 1000)))
        (progress,) = await queue.progress(import_id)
        return JSONResponse({**await _told(queue, progress), "duplicate": again}, 202)

    @router.get("", summary="Imports, the newest first")
    async def show_all(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> JSONResponse:
        return JSONResponse({"imports": [_counted(one) for one in await queue.progress(most=limit)]})

    @router.get("/{import_id}", summary="How far an import is")
    async def show(import_id: str) -> JSONResponse:
        return JSONResponse(await _told(queue, await _found(queue, import_id)))

    @router.get("/{import_id}/rows", summary="What became of each row")
    async def rows(
        import_id: str,
        outcome: Outcome | None = None,
        after: Annotated[int, Query(ge=0, description="the line after which to go on")] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    ) -> JSONResponse:
        await _found(queue, import_id)
        found = await queue.rows(import_id, outcome, after, limit)
        return JSONResponse(
            {
                "rows": [{name: value for name, value in row._mapping.items() if value is not None} for row in found],
                "next": found[-1].line if len(found) == limit else None,
            }
        )

    @router.delete("/{import_id}", summary="Take nothing more of an import in")
    async def cancel(import_id: str) -> JSONResponse:
        """What was taken in stays. The same file sent again is another import, of what is left."""
        await _found(queue, import_id)
        await queue.cancel(import_id)
        return JSONResponse(await _told(queue, await _found(queue, import_id)))

    return router


async def _found(queue: ImportQueue, import_id: str) -> Progress:
    found = await queue.progress(import_id)
    if not found:
        raise Problem(404, "No such import", f"There is no import {import_id[:40]!r}: GET {PATH} lists all.")
    return found[0]


async def _told(queue: ImportQueue, progress: Progress) -> dict[str, Any]:
    """An import with its first refusals."""
    refused = await queue.rows(progress.import_id, Outcome.REFUSED, 0, _REFUSALS_SHOWN)
    failed = await queue.rows(progress.import_id, Outcome.FAILED, 0, _REFUSALS_SHOWN)
    return {
        **_counted(progress),
        "columns": progress.meaning,
        "notes": list(progress.notes),
        "refusals": [{"line": row.line, "message": row.message} for row in (*refused, *failed)],
    }


def _counted(progress: Progress) -> dict[str, Any]:
    state = "cancelled" if progress.cancelled else "under_way" if progress.finished_ms is None else "done"
    return {
        "import_id": progress.import_id,
        "name": progress.name,
        "state": state,
        "rows": sum(progress.counts.values()),
        **{outcome.value: progress.counts.get(outcome, 0) for outcome in Outcome},
        "received_at": _instant(progress.received_ms),
        "finished_at": _instant(progress.finished_ms),
    }


def _planned(name: str, understood: Understood) -> dict[str, Any]:
    refusals = [{"line": line, "message": why} for line, why in sorted(understood.refused.items())]
    return {
        "name": name,
        "state": "dry_run",
        "rows": len(understood.rows) + len(understood.repeated) + len(understood.refused),
        "waiting": len(understood.rows),
        "repeated": len(understood.repeated),
        "refused": len(understood.refused),
        "columns": understood.meaning,
        "notes": list(understood.notes),
        "refusals": refusals[:_REFUSALS_SHOWN],
    }


def _instant(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")


# ------------------------------------------------------------------ what was asked for


def _kind(request: HttpRequest) -> tuple[Kind, str | None]:
    said = request.headers.get("content-type", "")
    kind = _KINDS.get(said.split(";")[0].strip().lower())
    if kind is None:
        raise Problem(
            415,
            "What kind of file is this?",
            "Say by the header Content-Type what the body is: text/csv, or application/x-ndjson for JSON Lines.",
        )
    charset = _CHARSET.search(said)
    return kind, charset.group(1) if charset else None


def _pairs(said: list[str] | None, parameter: str) -> dict[str, str]:
    pairs = {}
    for one in said or ():
        left, sign, right = one.rpartition("=") if parameter == "map" else one.partition("=")
        if not sign or not left.strip() or not right.strip():
            raise Problem(422, "Not a pair", f"The parameter `{parameter}` is {one!r}: write it as LEFT=RIGHT.")
        pairs[left.strip()] = right.strip()
    return pairs


def _fixed(said: list[str] | None) -> Mapping[str, str]:
    fixed = _pairs(said, "set")
    for field in fixed:
        if not is_field(field) or field == LEFT_OUT:
            sentence = f"The parameter `set` names {field!r}, which is no field: use one such as source.campaign."
            raise Problem(422, "No such field", sentence)
    return fixed


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        sentence = f"There is no time zone {name[:64]!r}: write one such as Europe/Berlin."
        raise Problem(422, "No such time zone", sentence) from error


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:].rstrip(".")
