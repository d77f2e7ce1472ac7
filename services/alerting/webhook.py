"""Signed messages to endpoints, by Standard Webhooks: https://www.standardwebhooks.com.

The signature is a dozen lines of `hmac`. The `standardwebhooks` package signs with one secret at a time and takes any; here a
message is signed with both while secrets are changed, and a secret that is none is refused. The tests hold the signature
against that package's own test vector.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import httpx
import orjson

from schemas.events.alerting import News
from services.alerting.faults import ChannelUnusable, Gone, NotDelivered, retry_after

WITHIN_SECONDS = 15.0
"""An endpoint is to take a message and work on it later; it has so long to say that it has it."""
_ANSWER_READ_BYTES = 64 * 1024
_PREFIX = "whsec_"


def keys_of(secrets: str) -> tuple[bytes, ...]:
    """The keys in `whsec_<base64>` secrets with blanks between them. Raises ChannelUnusable without quoting any."""
    keys: list[bytes] = []
    for secret in secrets.split():
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not 24 <= len(key) <= 64:
            raise ChannelUnusable(
                "its secret is no whsec_ followed by 24 to 64 bytes in base64: make one with "
                "`python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"`"
            )
        keys.append(key)
    if not keys:
        raise ChannelUnusable("it has no secret: name an environment variable that holds one")
    return tuple(keys)


def signature(keys: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`, one `v1,…` for each key (specification, "Signature scheme")."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)


def body_of(news: News, person: Mapping[str, Any]) -> bytes:
    """The payload: `type`, `timestamp` and `data`; the same bytes at every attempt while the person's profile is the same."""
    said = news.model_dump(mode="json", exclude={"kind", "happened_at"}, exclude_none=True)
    data = {_PLAIN.get(name, name): value for name, value in said.items() if value != ""}
    if person:
        data["contact"] = dict(person)
    return orjson.dumps(
        {"type": f"lead.{news.kind.value}", "timestamp": news.model_dump(mode="json")["happened_at"], "data": data}
    )


_PLAIN = {"rep_id": "rep", "team_id": "team", "pool_id": "pool"}


class Endpoint:
    """One address that signed messages go to."""

    def __init__(self, client: httpx.AsyncClient, url: str, secrets: str, within: float = WITHIN_SECONDS) -> None:
        """within: seconds for the whole exchange. Raises ChannelUnusable."""
        try:
            parts = httpx.URL(url)
        except httpx.InvalidURL:
            parts = httpx.URL("")
        if parts.scheme not in ("http", "https") or not parts.host:
            raise ChannelUnusable("its URL is no http:// or https:// address: correct it")
        self._client, self._url, self._keys, self._within = client, url, keys_of(secrets), within

    async def deliver(self, message_id: str, body: bytes, now: datetime) -> int:
        """Deliver, and give the status. Raises NotDelivered and Gone; a redirect is no delivery."""
        timestamp = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "leadloop",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._keys, message_id, timestamp, body),
        }
        try:
            async with (
                asyncio.timeout(self._within),
                self._client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                await _read_a_little(answer)
        except TimeoutError:
            raise NotDelivered(f"no whole answer within {self._within:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(f"the exchange broke off: {type(error).__name__}") from error
        if answer.status_code == 410:
            raise Gone("it answered 410 Gone")
        if not answer.is_success:
            wait = retry_after(answer.headers.get("retry-after"), now)
            raise NotDelivered(f"it answered {answer.status_code}", status=answer.status_code, retry_after=wait)
        return answer.status_code


async def _read_a_little(answer: httpx.Response) -> None:
    """Read a short answer out, so that the connection can be used again; of a long or endless one no more than a part."""
    read = 0
    async for chunk in answer.aiter_raw():
        read += len(chunk)
        if read > _ANSWER_READ_BYTES:
            return
