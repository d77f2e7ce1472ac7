"""A local server that behaves like SuiteCRM's V8 API as far as leadloop asks it, with its faults as a list of data.

Like the real one: OAuth 2 tokens that expire, every refusal a 400, filters and one sort field as SQL would do them, times of
whole seconds, records made under the client's id, and a new time of modification at every write.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from services.runtime.http import serve

CLIENT = {"client_id": "leadloop", "client_secret": "s3cret"}
_OPS = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
}


@dataclass
class FakeSuiteCrm:
    """Its records by id, and what happens to the next requests."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """(status, headers) of the next answers under /V8; afterwards all is well."""
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    writes: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    url: str = ""

    def change(self, record: str, **attributes: Any) -> None:
        """What a person does there."""
        self.now = max(self.now + timedelta(seconds=1), datetime.now(UTC).replace(microsecond=0))
        self.records.setdefault(record, {"status": "New", "assigned_user_id": ""}).update(attributes)
        self.records[record]["date_modified"] = self.now

    def expire(self) -> None:
        """Every token is over."""
        self.tokens.clear()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/Api/access_token")
        async def access_token(request: Request) -> Response:
            said = await request.json()
            self.logins += 1
            if said != {"grant_type": "client_credentials", **CLIENT}:
                return JSONResponse({"error": "invalid_client"}, 401)
            token = secrets.token_hex(16)
            self.tokens.add(token)
            return JSONResponse({"token_type": "Bearer", "expires_in": 3600, "access_token": token})

        @app.api_route("/Api/V8/{path:path}", methods=["GET", "POST", "PATCH", "DELETE"])
        async def v8(request: Request, path: str) -> Response:
            if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
                return JSONResponse({"error": "access_denied"}, 401)
            if self.faults:
                status, headers = self.faults.pop(0)
                return Response(status_code=status, headers=headers)
            if request.method == "GET":
                return self._list(dict(request.query_params))
            if request.method == "DELETE":
                gone = self.records.pop(path.rsplit("/", 1)[-1], None)
                return JSONResponse({"meta": {}} if gone is not None else {"errors": {}}, 200 if gone else 400)
            return self._write(request.method, (await request.json())["data"])

        return app

    def _write(self, method: str, data: dict[str, Any]) -> Response:
        assert data["type"] == "Leads"
        record, attributes = data["id"], data["attributes"]
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", record)
        if (method == "POST") == (record in self.records):
            return JSONResponse({"errors": {"status": 400, "detail": "Bean is already exist, or not found"}}, 400)
        if method == "POST" and not attributes.get("last_name"):
            return JSONResponse({"errors": {"status": 400, "detail": "last_name is required"}}, 400)
        self.writes.append((method, record, attributes))
        self.change(record, **attributes)
        return JSONResponse({"data": {"type": "Lead", "id": record, "attributes": attributes}})

    def _list(self, query: dict[str, str]) -> Response:
        rows = [{"id": record, **attributes} for record, attributes in self.records.items()]
        for name, value in query.items():
            if found := re.fullmatch(r"filter\[(\w+)\]\[(\w+)\]", name):
                if found[2] not in _OPS:
                    return JSONResponse({"errors": {"detail": f"Filter operator {found[2]} is invalid"}}, 400)
                rows = [row for row in rows if _OPS[found[2]](_as_sql(row.get(found[1])), value)]
        sort = query.get("sort", "id")
        rows.sort(key=lambda row: _as_sql(row.get(sort.lstrip("-"))), reverse=sort.startswith("-"))
        size, number = int(query.get("page[size]", "20")), int(query.get("page[number]", "1"))
        fields = query.get("fields[Leads]", "").split(",")
        shown = [
            {
                "type": "Lead",
                "id": row["id"],
                "attributes": {f: _as_api(row.get(f)) for f in fields},
                "relationships": {},
            }
            for row in rows[(number - 1) * size : number * size]
        ]
        return JSONResponse({"meta": {"total-pages": -(-len(rows) // size)}, "data": shown})


def _as_sql(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value or "")


def _as_api(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


@asynccontextmanager
async def suitecrm() -> AsyncIterator[FakeSuiteCrm]:
    """One that listens, for as long as the block lasts."""
    crm = FakeSuiteCrm()
    app = crm.app()
    app.state.stopping = asyncio.Event()
    async with serve(app, "127.0.0.1", 0) as port:
        crm.url = f"http://127.0.0.1:{port}"
        yield crm
