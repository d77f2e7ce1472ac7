"""The page *Agreement*: the one in force in sentences, what a proposal would change, and a button for each department.

A department signs with its key file. The page takes it only over https or from this machine, signs in this process and
forgets it: the key is in no file, no log and no other page (decision 0160). The command line does the same without a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial

import structlog
from aiokafka.errors import KafkaError
from fastapi import Request
from nicegui import ui

from schemas.agreement import AgreementRefused, load
from schemas.agreement.difference import Difference, difference
from schemas.agreement.life import Course, NoAgreement, Proposed
from schemas.events.console import DEPARTMENTS, Department
from schemas.ids import ApproverId
from services.feedback import agreement_view
from services.runtime.agreements import AgreementReader
from services.runtime.appending import BrokerAway
from services.runtime.approving import KeyRefused, WouldBeVoid, approval_of, read_key, say
from services.runtime.settings import Settings

log = structlog.get_logger(__name__)

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_PREVIEWS_KEPT = 8

Draw = Callable[[], Awaitable[None]]


class Previews:
    """What each open proposal would change: worked out once for each pair of contents, beside the event loop."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Difference | str] = {}

    async def of(self, course: Course, now: datetime) -> list[tuple[Proposed, Difference | str]]:
        """The open proposals, newest first, each with its difference, or with the sentence why there is none."""
        current = course.publication(now)
        out: list[tuple[Proposed, Difference | str]] = []
        for proposed in reversed(course.open_proposals()):
            pair = str(current.content), str(proposed.content)
            if pair not in self._known:
                while len(self._known) >= _PREVIEWS_KEPT:
                    self._known.pop(next(iter(self._known)))
                self._known[pair] = await asyncio.to_thread(_preview, current.text, proposed)
            out.append((proposed, self._known[pair]))
        return out[:_PREVIEWS_KEPT]


def _preview(now: str, proposed: Proposed) -> Difference | str:
    try:
        return difference(load(now, 1), load(proposed.text, proposed.version))
    except AgreementRefused as refused:
        return f"This text does not hold and cannot be published: {refused}"


def may_take_keys(request: Request) -> bool:
    """Whether a key that is given to this page crosses no network in the open."""
    return request.url.scheme == "https" or request.url.hostname in _LOCAL


async def approve(
    settings: Settings, course: Course, version: int, department: Department, by: str, pem: str, passphrase: str
) -> str:
    """Sign and say it. Returns a sentence for the person who pressed the button, whatever comes of it."""
    proposed = course.proposal(version)
    if proposed is None or proposed not in course.open_proposals():
        return f"Version {version} is not open any more."
    try:
        who = ApproverId.parse(by.strip())
        await say(settings, course, approval_of(proposed, department, read_key(pem.encode(), passphrase or None), who))
    except KeyRefused as refused:
        return f"Nothing was signed: {refused}."
    except WouldBeVoid as void:
        return f"Nothing was signed: {void}."
    except ValueError:
        return "Nothing was signed: say who approves in one short word of lower-case letters, such as m.keller."
    except (BrokerAway, KafkaError, OSError):
        return "Nothing is confirmed: the broker did not answer in time. Try again in a moment."
    log.info("agreement_approved", version=version, department=department)
    return f"{department} approves version {version}."


def show(
    settings: Settings,
    agreements: AgreementReader,
    previews: Previews,
    request: Request,
    dressed: Callable[[str], None],
    shown: Callable[[Draw], None],
) -> None:
    """Build the page. `shown` draws it now and whenever something may have changed."""
    with ui.element("div").classes("ll"):
        dressed("The agreement")
        with ui.element("main").props("id=content"):
            now_in_force = _place("In force")
            waiting = _place("Proposed")
            with ui.element("section").props('aria-label="Approve"') as signing:
                form = _Form(settings, agreements) if may_take_keys(request) else None
                if form is None:
                    ui.html(_BY_COMMAND, sanitize=False)
            terms = _place("What it says")

    async def draw() -> None:
        course, now = agreements.publications.course, datetime.now(UTC)
        try:
            current = course.publication(now)
        except NoAgreement as none:
            _put(now_in_force, f'<p class="empty"><b>{none}</b></p>')
            return
        _put(now_in_force, agreement_view.in_force(current))
        _put(terms, agreement_view.sections(current.agreement))
        _put(waiting, agreement_view.proposals(course, await previews.of(course, now), now))
        signing.set_visibility(bool(course.open_proposals()))
        if form is not None:
            form.offer(p.version for p in reversed(course.open_proposals()))

    if form is not None:
        form.after = draw
    shown(draw)


_BY_COMMAND = (
    '<p class="empty"><b>This page came over a network without encryption</b>So it takes no keys. Approve at a terminal: '
    "<code>leadloop agreement approve --as marketing --key marketing.key</code></p>"
)


class _Form:
    """A key file and two buttons. What was typed is forgotten with the click."""

    def __init__(self, settings: Settings, agreements: AgreementReader) -> None:
        self._settings, self._agreements = settings, agreements
        self.after: Draw | None = None
        ui.html('<div class="head"><h2>Approve</h2></div>', sanitize=False)
        with ui.element("div").classes("terms"):
            self._version = ui.select([], label="Version")
            self._by = ui.input("Who approves (one short word)").props("autocomplete=off")
            self._key = ui.textarea("The department's key file (paste it)").props("autocomplete=off spellcheck=false")
            self._passphrase = ui.input("Its passphrase, if it has one", password=True).props("autocomplete=off")
            for department in DEPARTMENTS:
                button = ui.element("button").props(f"type=button id=approve-{department}")
                with button:
                    ui.html(f"Approve for {department}", sanitize=False, tag="span")
                button.on("click", partial(self._approve, department))
            self._answer = ui.label("").props("role=status")
            ui.html(
                "<p><small>The key signs in this process and is kept nowhere. It can stay at home: <code>leadloop agreement "
                "approve</code> signs on your own machine.</small></p>",
                sanitize=False,
            )

    def offer(self, versions: Iterable[int]) -> None:
        """The versions that can be approved."""
        options = list(versions)
        if options != self._version.options:
            self._version.set_options(options, value=options[0] if options else None)

    async def _approve(self, department: Department) -> None:
        version, by = self._version.value, str(self._by.value or "")
        pem, passphrase = str(self._key.value or ""), str(self._passphrase.value or "")
        self._key.set_value("")
        self._passphrase.set_value("")
        if version is None:
            return
        course = self._agreements.publications.course
        self._answer.set_text(await approve(self._settings, course, int(version), department, by, pem, passphrase))
        if self.after is not None:
            await self.after()


def _place(title: str) -> ui.html:
    with ui.element("section").props(f'aria-label="{title}"'):
        ui.html(f'<div class="head"><h2>{title}</h2></div>', sanitize=False)
        return ui.html("", sanitize=False)


def _put(element: ui.html, content: str) -> None:
    """Send only what has changed."""
    if element.content != content:
        element.set_content(content)
