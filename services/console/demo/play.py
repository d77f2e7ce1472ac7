"""`leadloop demo`: an installation of its own, a working day in about a minute, the sum of it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.text import Text

from schemas import ids
from schemas.ids import LeadId
from services.console import audit
from services.console.broker.java import LEAST_MAJOR, probe_java
from services.console.demo.board import STATUSES, board, line
from services.console.demo.cast import Prospect, cast
from services.console.demo.change import Change, Signing, prepare
from services.console.demo.day import Day
from services.console.demo.letterbox import Letterbox
from services.console.demo.watch import Watch
from services.console.environment import settings_of
from services.console.first_agreement import SAMPLES
from services.console.house import House, Wishes
from services.console.roster import read_roster
from services.console.terminal import Refused, news, out, say_json
from services.console.up import live_in, tell_addresses
from services.console.wanted_ports import AUTO

AGREEMENT, ROSTER = SAMPLES / "demo.yaml", SAMPLES / "demo-roster.yaml"
PROSPECTS = 214
_MANAGERS = {
    "LEADLOOP_MANAGERS_EUROPE_URL": "managers-europe",
    "LEADLOOP_MANAGERS_AMERICA_URL": "managers-america",
    "LEADLOOP_HEAD_OF_SALES_URL": "head-of-sales",
}
"""Where the agreement's alerts go."""
_TURNED_SHOWN = 2
_LINE_EVERY_SECONDS = 5.0
_AUDIT_SECONDS = 30.0


async def demo(data: Path | None, *, stay: bool, pace: float, as_json: bool) -> bool:
    """Play the day; whether its audit is clean. `data` None: a temporary folder, gone afterwards. Raises Refused."""
    if data is not None and (data / "installation.json").exists():
        raise Refused(
            f"there is an installation in {data} already, and the demo plays on a new one; name another folder "
            "with --data"
        )
    folder = data or Path(tempfile.mkdtemp(prefix="leadloop-demo-"))
    try:
        with Letterbox().open() as letterbox:
            play = _Play(folder, letterbox, stay=stay, pace=pace, as_json=as_json)
            await live_in(play.wishes(), play.live)
            return play.clean
    finally:
        if data is None:
            shutil.rmtree(folder, ignore_errors=True)  # a temporary folder, and nothing runs in it any more


class _Play:
    def __init__(self, folder: Path, letterbox: Letterbox, *, stay: bool, pace: float, as_json: bool) -> None:
        self._folder, self._letterbox, self._stay, self._pace, self._as_json = folder, letterbox, stay, pace, as_json
        self._cast = asyncio.create_task(asyncio.to_thread(cast, PROSPECTS), name="cast")
        self._change = asyncio.create_task(asyncio.to_thread(prepare, folder, AGREEMENT), name="second version")
        self._began = time.monotonic()
        self._watch = Watch()
        self.clean = False

    def wishes(self) -> Wishes:
        """The installation of the demo: short clocks, its own roster, free ports, alerts into our letterbox."""
        environ = dict(os.environ) | {name: self._letterbox.url_of(channel) for name, channel in _MANAGERS.items()}
        java = probe_java(environ)
        if "KAFKA_BOOTSTRAP_SERVERS" not in environ and java is not None and java.major >= LEAST_MAJOR:
            environ.setdefault("LEADLOOP_BROKER", "embedded")
        return Wishes(
            self._folder,
            agreement=AGREEMENT,
            roster=ROSTER,
            ports=AUTO,
            namespace=f"leadloop-demo-{secrets.token_hex(3)}",
            environ=environ,
            tell=self._tell,
        )

    def _tell(self, sentence: str) -> None:
        news(f"{time.monotonic() - self._began:5.1f} s  {sentence}")

    async def live(self, house: House) -> None:
        """What happens once everything runs."""
        prospects, change = await self._cast, await self._change
        self._tell(f"the day begins: {len(prospects)} prospects of the simulator leadforge write to the company")
        day = await self._play(house, prospects, change)
        found = await _settled_audit(house, len({prospect.email for prospect in prospects}))
        self.clean = audit.is_clean(found) and not day.seen.refused
        self._sum_up(day, change, found)
        if self._stay:
            _say_what_to_try(house, change)
            await asyncio.Event().wait()

    async def _play(self, house: House, prospects: Sequence[Prospect], change: Change) -> Day:
        settings = settings_of(house.installation, house.bootstrap_servers, house.ports)

        def lead_of(email: str) -> LeadId:
            return ids.lead_id(settings.lead_namespace, email)

        pools = change.proposed.agreement.pools
        reps = {str(rep.id): any(pools[pool].mode == "claim" for pool in rep.pools) for rep in read_roster(ROSTER).reps}
        day = Day(house.doors, lead_of, prospects, reps, self._pace)
        signing = Signing(change, settings, house.doors, day, partial(self._tell_of, "the agreement"))
        showing = asyncio.create_task(self._show(day, change, house), name="show")
        watching = asyncio.create_task(
            self._watch.keep(day, self._letterbox, house.doors, partial(self._tell_of, "late leads")), name="watch"
        )
        try:
            await day.play(signing.play)
        finally:
            for task in (showing, watching):
                task.cancel()
            await asyncio.gather(showing, watching, return_exceptions=True)
        return day

    def _tell_of(self, what: str, sentence: str) -> None:
        """Line by line, where no board shows it."""
        if not self._live:
            (news if self._as_json else print)(f"       {what}: {sentence}")

    @property
    def _live(self) -> bool:
        return not self._as_json and sys.stdout.isatty()

    async def _show(self, day: Day, change: Change, house: House) -> None:
        if not self._live:
            if not self._as_json:
                tell_addresses(house)
            while True:
                await asyncio.sleep(_LINE_EVERY_SECONDS)
                (news if self._as_json else print)(line(day, self._letterbox))
        tell_addresses(house)
        with Live(board(day, change, self._letterbox, self._watch), console=out(), refresh_per_second=5, transient=True) as live:
            while True:
                await asyncio.sleep(0.2)
                live.update(board(day, change, self._letterbox, self._watch))

    def _sum_up(self, day: Day, change: Change, found: dict[str, Any]) -> None:
        seen = day.seen
        if self._as_json:
            say_json(
                {
                    "clean": self.clean,
                    "audit": found,
                    "submissions": seen.submissions,
                    "engagements": seen.engagements,
                    "actions": seen.actions,
                    "came_back": len(seen.came_back),
                    "won_after_return": len(seen.won_after_return),
                    "ignored": len(seen.ignored),
                    "alerts": len(self._letterbox.letters),
                    "late": self._watch.document(),
                    "turned_down": dict(seen.reasons),
                    "agreement": change.document(),
                    "refused": seen.refused,
                    "to_inbox_ms": {"p50": day.to_inbox.percentile(0.5), "p99": day.to_inbox.percentile(0.99)},
                    "to_marketing_ms": {
                        "p50": day.to_marketing.percentile(0.5),
                        "p99": day.to_marketing.percentile(0.99),
                    },
                }
            )
            return
        console = out()
        console.print("\nThe day is over.", style="bold")
        by_status = found["by_status"]
        for status in [*STATUSES, *(other for other in by_status if other not in STATUSES)]:
            if by_status.get(status):
                console.print(Text.assemble((f"{by_status[status]:>6}  ", ""), (status, STATUSES.get(status, ""))))
        console.print(
            f"{seen.submissions} submissions and {seen.engagements} engagements came in; the reps did "
            f"{seen.actions} actions"
        )
        for sentence in self._watch.sentences(len(seen.ignored), len(seen.ignored_at_once)):
            console.print(sentence, markup=False, highlight=False)
        console.print(f"{len(self._letterbox.letters)} messages about late and waiting leads reached the managers")
        console.print(
            f"{len(seen.came_back)} leads came back after they had been turned down, and "
            f"{len(seen.won_after_return)} of them were won"
        )
        if seen.reasons:
            told = ", ".join(f"{reason.replace('_', ' ')} {number}" for reason, number in seen.reasons.most_common())
            console.print(f"turned down: {told}")
        _tell_change(change)
        console.print(f"from 202 to the rep's inbox: {day.to_inbox.sentence()}")
        console.print(f"from a rep's action to marketing's stream: {day.to_marketing.sentence()}")
        for sentence in dict.fromkeys(seen.refused):
            console.print(f"a door said no: {sentence}", style="red", markup=False)
        console.print(f"audit: {audit.sentence(found)}", style="bold green" if self.clean else "bold red")


async def _settled_audit(house: House, expected: int) -> dict[str, Any]:
    """The audit once feedback has read on to what was sent, or as it is when it does not."""
    until = time.monotonic() + _AUDIT_SECONDS
    while True:
        found = await asyncio.to_thread(audit.audit_of, house.doors)
        if (found["received"] >= expected and audit.is_clean(found)) or time.monotonic() > until:
            return found
        await asyncio.sleep(0.5)


def _tell_change(change: Change) -> None:
    console = out()
    since = "never" if change.effective_at is None else f"{change.effective_at:%H:%M:%S} UTC"
    console.print(
        f"the agreement changed in mid-run: version {change.version}, signed by both, is in force since {since}"
    )
    for sentence in (*change.changes.sentences, *(example.says for example in change.changes.examples)):
        console.print(f"  - {sentence}", markup=False)
    console.print(f"{len(change.qualified)} leads qualified in that instant and would not have before:")
    for turned in change.qualified[:_TURNED_SHOWN]:
        console.print(f"  - {turned.company}, before: {turned.before}", markup=False)
        console.print(f"    {'':>{len(turned.company)}}  now: {turned.after}", markup=False)


def _say_what_to_try(house: House, change: Change) -> None:
    console = out()
    tell_addresses(house)
    console.print("\nNow it is yours:", style="bold")
    for said in (
        f"fill in the form at {house.doors.intake}/forms/demo and watch it arrive in a rep's inbox",
        'reject a lead there with "no budget" and watch marketing\'s board: it is back, and wakes in seven seconds',
        "ignore a lead for twelve seconds and watch it being taken away, and the manager alerted",
        f"see who signed what, and what the agreement says: {house.doors.feedback}/board/agreement?token={house.doors.token}",
        f"change {change.proposed.path} again and propose it: leadloop agreement propose FILE --data "
        f"{house.installation.folder}; each department's key lies beside it",
        f"ask for its whole story: leadloop explain E-MAIL --data {house.installation.folder}",
    ):
        console.print(f"  • {said}", markup=False)
    console.print("Ctrl-C ends it.", style="dim")
