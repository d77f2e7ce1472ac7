"""`leadloop up`: start the house, say where its doors are, and keep it until told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlencode

from rich.text import Text

from services.console.house import House, Wishes, running, scale_asked
from services.console.terminal import Refused, news, out


class Stop:
    """Whether the person, or the system, has asked us to stop; asked twice, the rest is killed."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.house: House | None = None

    def ask(self) -> None:
        """SIGINT or SIGTERM has come."""
        if self.asked.is_set() and self.house is not None:
            self.house.kill()
        self.asked.set()

    async def unless(self, work: Awaitable[None]) -> bool:
        """Do this work until it is done or a stop is asked for; whether it was done. Raises what it raises."""
        doing, waiting = asyncio.ensure_future(work), asyncio.create_task(self.asked.wait())
        try:
            await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                await doing
                return True
            return False
        finally:
            for task in (doing, waiting):
                task.cancel()
            await asyncio.gather(doing, waiting, return_exceptions=True)


@asynccontextmanager
async def stopping_on_signals() -> AsyncIterator[Stop]:
    """A Stop that hears SIGINT and SIGTERM for as long as the block lasts."""
    stop, loop = Stop(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.ask)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def up(wishes: Wishes, as_json: bool) -> None:
    """Run the house until SIGINT or SIGTERM. Raises what `House.start` raises."""

    async def live(house: House) -> None:
        if as_json:
            print(json.dumps(house.document()), flush=True)
        else:
            show_addresses(house)
        await asyncio.Event().wait()

    await live_in(wishes, live)


async def live_in(wishes: Wishes, live: Callable[[House], Awaitable[None]]) -> None:
    """Start the house, `live` in it, stop it when that is over or a signal comes. Raises as `House.start` does."""
    async with stopping_on_signals() as stop:

        async def stay() -> None:
            async with running(wishes) as house:
                stop.house = house
                _hear_scaling(house)
                await live(house)

        if not await stop.unless(stay()):
            news("stopped")


def _hear_scaling(house: House) -> None:
    """`leadloop scale` leaves its wish in a file and sends SIGHUP."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    def heard() -> None:
        task = loop.create_task(_rescale(house))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, heard)


async def _rescale(house: House) -> None:
    try:
        await house.rescale(scale_asked(house.installation))
    except Refused as refusal:
        news(str(refusal))


def show_addresses(house: House) -> None:
    """Where everything is, for a person."""
    tell_addresses(house)
    out().print("[dim]Ctrl-C stops it; what has come in stays in[/] " + str(house.installation.folder))


def tell_addresses(house: House) -> None:
    """The pages and doors of a house, each in a line that the terminal may wrap and nobody else does: they are copied."""
    doors, query = house.doors, "?" + urlencode({"token": house.doors.token})
    rows = [("marketing's board", f"{doors.feedback}/{query}"), ("managers' page", f"{doors.desk}/manager{query}")]
    rows += [
        ("a rep's inbox", f"{doors.desk}/rep/{rep['id']}{query}") for rep in doors.get("desk", "/v1/roster")["reps"][:1]
    ]
    rows += [
        ("a form to fill in", f"{doors.intake}/forms/demo"),
        ("doors", f"intake {doors.intake}   desk {doors.desk}   feedback {doors.feedback}"),
        ("Kafka", house.bootstrap_servers),
        ("token", doors.token),
    ]
    console = out()
    console.print("leadloop is ready", style="bold green")
    for name, value in rows:
        console.print(Text.assemble((f"{name:<18} ", "bold"), value), soft_wrap=True)
