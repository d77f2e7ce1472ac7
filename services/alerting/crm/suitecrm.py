"""SuiteCRM by its V8 JSON:API: OAuth 2 client credentials, records under ids that we choose, changes by date of modification.

Documented at https://docs.suitecrm.com/developer/api/developer-setup-guide/json-api/. Three things that the page does not tell
and the code of the API does: a record may be made with an id of the client's, which makes making it twice harmless;
every refusal is a 400, so that whether a record exists is asked by a filter; filters take times as the database writes them, in UTC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from services.alerting.crm.adapter import Found, Written
from services.alerting.crm.terms import CrmTerms
from services.alerting.faults import ChannelUnusable, NotDelivered, expand, retry_after

WITHIN_SECONDS = 30.0
_MEDIA_TYPE = "application/vnd.api+json"
_PERSON = {
    "email": "email1",
    "phone": "phone_mobile",
    "company": "account_name",
    "country": "primary_address_country",
    "message": "description",
}


class SuiteCrm:
    """One installation of SuiteCRM."""

    def __init__(self, client: httpx.AsyncClient, terms: CrmTerms, environment: Mapping[str, str]) -> None:
        """Raises ChannelUnusable naming an environment variable that is not set."""
        self._client, self._terms = client, terms
        self._url = expand(terms.url, environment).rstrip("/") + "/Api"
        self._login = {
            "grant_type": "client_credentials",
            "client_id": expand(terms.client_id, environment),
            "client_secret": expand(terms.client_secret, environment),
        }
        self._token: str | None = None
        if not self._url.startswith(("http://", "https://")):
            raise ChannelUnusable("its URL is no http:// or https:// address: correct it in the tools file")

    async def write(self, lead: Written) -> None:
        """See Crm."""
        attributes: dict[str, Any] = {_PERSON[name]: value for name, value in lead.person.items() if name in _PERSON}
        if name := lead.person.get("name"):
            first, _, last = str(name).strip().rpartition(" ")
            attributes |= {"first_name": first, "last_name": last}
        if lead.stage is not None:
            attributes["status"] = lead.stage
        if lead.owner is not None:
            attributes["assigned_user_id"] = lead.owner
        attributes |= lead.fields
        exists = await self._exists(lead.record)
        if not exists:
            attributes.setdefault("last_name", f"Lead {lead.lead_id[:8]}")  # SuiteCRM demands one
        body = {"data": {"type": self._terms.module, "id": lead.record, "attributes": attributes}}
        await self._ask("PATCH" if exists else "POST", "/V8/module", json=body)

    async def erase(self, record: str) -> None:
        """See Crm."""
        if await self._exists(record):
            await self._ask("DELETE", f"/V8/module/{self._terms.module}/{record}")

    async def changed(self, since: datetime, page: int) -> tuple[list[Found], bool]:
        """See Crm."""
        size = self._terms.page_size
        fields = ["status", "assigned_user_id", "date_modified"]
        if self._terms.amount_field:
            fields.append(self._terms.amount_field)
        answer = await self._list(
            {
                f"fields[{self._terms.module}]": ",".join(fields),
                "filter[date_modified][gte]": f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                "sort": "date_modified",
                "page[size]": str(size),
                "page[number]": str(page),
            }
        )
        return [self._found(one) for one in answer], len(answer) >= size

    def _found(self, one: Any) -> Found:
        try:
            said = one["attributes"]
            at = datetime.fromisoformat(said["date_modified"])
            return Found(
                record=str(one["id"]),
                stage=said.get("status") or None,
                owner=said.get("assigned_user_id") or None,
                modified_at=at if at.tzinfo else at.replace(tzinfo=UTC),
                amount=said.get(self._terms.amount_field or "") or None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotDelivered("it answered a record that is none") from error

    async def _exists(self, record: str) -> bool:
        return bool(
            await self._list({f"fields[{self._terms.module}]": "status", "filter[id][eq]": record, "page[size]": "1"})
        )

    async def _list(self, query: Mapping[str, str]) -> list[Any]:
        answer = await self._ask("GET", f"/V8/module/{self._terms.module}", params=query)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            raise NotDelivered("it answered no list of records")
        return data

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        """The answer as JSON. A token that has expired meanwhile is exchanged once."""
        for last in (False, True):
            if self._token is None:
                self._token = await self._new_token()
            headers = {"Authorization": f"Bearer {self._token}", "Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE}
            answer = await self._exchange(method, path, headers=headers, **more)
            if answer.status_code != 401:
                break
            self._token = None
            if last:
                raise NotDelivered("it takes none of its own tokens", status=401)
        return self._content(answer)

    async def _new_token(self) -> str:
        answer = await self._exchange("POST", "/access_token", json=self._login)
        if answer.status_code in (400, 401):
            raise NotDelivered(
                "it does not let us in: check client_id and client_secret in the tools file", status=answer.status_code
            )
        content = self._content(answer)
        token = content.get("access_token") if isinstance(content, dict) else None
        if not isinstance(token, str):
            raise NotDelivered("it answered no token")
        return token

    async def _exchange(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                return await self._client.request(method, self._url + path, **more)
        except TimeoutError:
            raise NotDelivered(f"no answer within {WITHIN_SECONDS:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(f"the exchange broke off: {type(error).__name__}") from error

    def _content(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            wait = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
            raise NotDelivered(f"it answered {answer.status_code}", status=answer.status_code, retry_after=wait)
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise NotDelivered("it answered no JSON") from error
