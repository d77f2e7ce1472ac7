"""The HTTP doors of an installation, for the commands that knock at them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.console.environment import DOORS
from services.console.installation import Installation
from services.console.ports import HOST
from services.console.terminal import Refused

_PATIENCE_SECONDS = 20.0
_FILE_SECONDS = 600.0


@dataclass(frozen=True)
class Doors:
    """Where the doors are, and the token that opens them."""

    intake: str
    desk: str
    feedback: str
    token: str = field(repr=False)
    alerting: str = ""
    """Known to the commands that ask for it alone: it has no port that survives a restart."""

    @classmethod
    def of(cls, installation: Installation, ports: Mapping[str, int] | None = None) -> Doors:
        """The doors of an installation on this machine. Raises Refused when it has never been started."""
        ports = ports or installation.ports
        if any(door not in ports for door in DOORS):
            raise Refused(
                f"the installation in {installation.folder} has not been started yet; start it: leadloop up "
                f"--data {installation.folder}"
            )
        intake, desk, feedback = (f"http://{HOST}:{ports[door]}" for door in DOORS)
        return cls(intake, desk, feedback, installation.token)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Doors | None:
        """The doors of LEADLOOP_INTAKE_URL, _DESK_URL, _FEEDBACK_URL and LEADLOOP_TOKEN; None unless all are set."""
        addresses = [environ.get(f"LEADLOOP_{door.upper()}_URL", "").rstrip("/") for door in DOORS]
        token = environ.get("LEADLOOP_TOKEN", "")
        if not all(addresses) or not token:
            return None
        intake, desk, feedback = addresses
        return cls(intake, desk, feedback, token)

    def get(self, door: str, path: str, **query: str) -> Any:
        """What GET answers, as JSON. Raises Refused in one sentence when the door does not answer or says no."""
        return self._knock("GET", door, path, params=query)

    def put(self, door: str, path: str, body: Any) -> Any:
        """What PUT answers, as JSON. Raises Refused."""
        return self._knock("PUT", door, path, json=body)

    def post(self, door: str, path: str, body: Any) -> Any:
        """What POST answers, as JSON. Raises Refused."""
        return self._knock("POST", door, path, json=body)

    def delete(self, door: str, path: str) -> Any:
        """What DELETE answers, as JSON. Raises Refused."""
        return self._knock("DELETE", door, path)

    def send(self, door: str, path: str, file: bytes, content_type: str, query: Mapping[str, Any]) -> Any:
        """What POST of a file answers, as JSON; it may take its time. Raises Refused."""
        headers = {"Content-Type": content_type}
        return self._knock("POST", door, path, content=file, params=query, headers=headers, timeout=_FILE_SECONDS)

    def fetch(self, door: str, path: str) -> bytes:
        """What GET answers, as it is: a page or a file. Raises Refused."""
        return self._answer("GET", door, path).content

    def _knock(self, method: str, door: str, path: str, **more: Any) -> Any:
        answer = self._answer(method, door, path, **more)
        return answer.json() if answer.content else None

    def _answer(
        self,
        method: str,
        door: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = _PATIENCE_SECONDS,
        **more: Any,
    ) -> httpx.Response:
        url = f"{getattr(self, door)}{path}"
        try:
            answer = httpx.request(method, url, headers={**self.headers, **(headers or {})}, timeout=timeout, **more)
        except httpx.HTTPError as fault:
            raise Refused(
                f"the {door} at {getattr(self, door)} does not answer ({type(fault).__name__}); see what runs "
                "with: leadloop status"
            ) from fault
        if answer.is_error:
            raise Refused(problem_of(answer))
        return answer

    @property
    def headers(self) -> dict[str, str]:
        """What opens the doors."""
        return {"Authorization": f"Bearer {self.token}"}


def problem_of(answer: httpx.Response) -> str:
    """An RFC 9457 problem document as one sentence."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = problem.get("detail") or problem.get("title") or answer.reason_phrase
    mistakes = "; ".join(
        str(each.get("detail") or each) if isinstance(each, dict) else str(each)
        for each in problem.get("errors", ())[:5]
    )
    return f"{detail} ({mistakes})" if mistakes and mistakes not in detail else str(detail)
