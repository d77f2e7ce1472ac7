"""`leadloop up` for real: a lead goes from the form to a rep and back to marketing, through deaths of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from services.console import processes
from services.console.demo.streams import follow
from services.console.house import SERVICES
from services.console.installation import Installation
from tests.e2e.installations import SOON_SECONDS, installation, leadloop, start

pytestmark = pytest.mark.timeout(300)


async def test_a_lead_goes_all_the_way_and_marketing_sees_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with installation(data) as started:
        up = await start(data, "--ports", "auto")
        started.append(up)
        assert set(up.ready) == {"ready", "kafka", "intake", "desk", "feedback", "token", "pids"}
        assert {*SERVICES} <= set(up.ready["pids"])
        assert {pid for pids in up.ready["pids"].values() for pid in pids} == up.pids()

        statuses: list[str] = []
        listening = asyncio.Event()

        async def marketing(lead: asyncio.Future[str]) -> None:
            async for change in follow(up.client, f"{up.ready['feedback']}/v1/status/stream", listening):
                if change["lead_id"] == await lead:
                    statuses.append(change["lead_status"])
                    if statuses[-1] == "won":
                        return

        lead: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        hearing = asyncio.create_task(marketing(lead))
        await asyncio.wait_for(listening.wait(), SOON_SECONDS)
        submitted = await up.submit(name="Ada Adler", company="Adler & Co")
        lead.set_result(submitted["lead_id"])
        row = await up.owner_of(submitted["lead_id"])
        assert row["contact"]["name"] == "Ada Adler"
        assert (await up.act(row, "accept")).status_code == 202
        assert (await up.act(row, "connect", channel="phone")).status_code == 202
        assert (await up.act(row, "win", amount={"amount": "1200.00", "currency": "EUR"})).status_code == 202
        await asyncio.wait_for(hearing, SOON_SECONDS)
        assert statuses[-4:] == ["assigned", "accepted", "working", "won"]

        audit = await up.until("/v1/audit", lambda audit: audit["by_status"] == {"won": 1})
        assert (audit["received"], audit["unaccounted"], audit["double_assigned"], audit["dead_lettered"]) == (
            1,
            0,
            0,
            0,
        )

        code, answer, complaint = await leadloop("explain", submitted["email"], "--data", str(data), "--json")
        assert (code, complaint) == (0, "")
        told = [line["said"] for line in json.loads(answer)["journey"]]
        assert any(f"assigned to {row['rep']}" in said for said in told)
        assert f"{row['rep']} won it (1200 EUR)" in told or any("won it" in said for said in told)
        assert told[-1].startswith("the lead is won, stage customer, cycle 1")
        assert (await leadloop("audit", "--data", str(data)))[1].startswith(
            "1 in, 1 accounted for, none with two owners"
        )
        assert (await leadloop("status", "--data", str(data)))[0] == 0
        topics = json.loads((await leadloop("topics", "--data", str(data), "--json"))[1])
        assert all(topic["well"] for topic in topics)
        shown = json.loads((await leadloop("agreement", "show", "--data", str(data), "--json"))[1])
        assert {"teams", "pools", "reps", "reasons", "version"} <= shown.keys()

        code, _, complaint = await leadloop("up", "--data", str(data))
        assert code == 1
        assert complaint.splitlines()[-1].startswith(f"leadloop: {data} is already run by the process {up.process.pid}")

        left = up.pids()
        assert await up.stop() == 0
        assert [pid for pid in left if processes.start_time(pid) is not None] == []


async def test_it_carries_on_after_every_kind_of_death(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with installation(data) as started:
        up = await start(data, "--ports", "auto")
        started.append(up)
        before = await up.submit()
        row = await up.owner_of(before["lead_id"])

        for service in ("routing", "desk", "feedback"):
            os.kill(up.ready["pids"][service][0], signal.SIGKILL)
        during = await up.submit()
        await up.until(
            "/v1/processes",
            lambda now: all(
                now.get(s, [0])[0] not in (0, up.ready["pids"][s][0]) for s in ("routing", "desk", "feedback")
            ),
        )
        await up.until(f"/v1/leads/{during['lead_id']}", lambda lead: lead["lead_status"] == "assigned")

        up.process.kill()
        for pid in up.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await up.process.wait()

        again = await start(data)
        started.append(again)
        assert again.ready["token"] == up.ready["token"]
        assert [again.ready[door] for door in ("intake", "desk", "feedback")] == [
            up.ready[door] for door in ("intake", "desk", "feedback")
        ]
        kept = await again.owner_of(before["lead_id"])
        assert (kept["rep"], kept["assignment_id"]) == (row["rep"], row["assignment_id"])
        assert (await again.act(kept, "accept")).status_code == 202
        after = await again.submit()
        await again.owner_of(after["lead_id"])
        audit = await again.until("/v1/audit", lambda audit: audit["by_status"] == {"accepted": 1, "assigned": 2})
        assert (audit["unaccounted"], audit["double_assigned"], audit["dead_lettered"]) == (0, 0, 0)

        again.process.kill()  # the supervisor alone: its processes are orphans now
        await again.process.wait()
        orphans = again.pids()
        third = await start(data)
        started.append(third)
        assert set(third.ready["pids"]) == set(again.ready["pids"])
        kafka = set(third.ready["pids"]["kafka"]) if "kafka" in third.ready["pids"] else set()
        assert [pid for pid in orphans - kafka if processes.start_time(pid) is not None] == [], (
            "an orphan was left running"
        )

        another = tmp_path / "another.yaml"
        another.write_text(
            json.loads((await leadloop("agreement", "show", "--text", "--json", "--data", str(data)))[1])["text"]
            + "\n# changed\n"
        )
        assert await third.stop() == 0
        code, answer, complaint = await leadloop("up", "--data", str(data), "--agreement", str(another), "--json")
        assert (code, answer) == (1, "")
        assert f"leadloop agreement propose {another}" in complaint


async def test_workers_are_added_and_removed_while_it_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with installation(data) as started:
        up = await start(data, "--ports", "auto", "--scale", "scoring=2")
        started.append(up)
        assert len(up.ready["pids"]["scoring"]) == 2
        assert (await leadloop("scale", "scoring=1", "routing=2", "--data", str(data)))[0] == 0
        await up.until("/v1/processes", lambda now: (len(now["scoring"]), len(now["routing"])) == (1, 2))
        submitted = [await up.submit() for _ in range(8)]
        for one in submitted:
            await up.owner_of(one["lead_id"])
        assert await up.stop() == 0


async def test_a_record_that_cannot_be_read_becomes_one_dead_letter_that_a_person_closes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with installation(data) as started:
        up = await start(data, "--ports", "auto")
        started.append(up)
        lead = await up.submit()
        await up.owner_of(lead["lead_id"])
        producer = AIOKafkaProducer(bootstrap_servers=up.ready["kafka"], acks="all")
        await producer.start()
        await producer.send_and_wait(
            f"{Installation.find(data).namespace}.leads", b"\xff rubbish", key=lead["lead_id"].encode()
        )
        await producer.stop()
        await up.until("/v1/audit", lambda audit: audit["dead_lettered"] == 1)

        async def letters(*words: str) -> Any:
            code, answer, complaint = await leadloop("dead-letters", *words, "--data", str(data), "--json")
            assert code == 0, complaint
            return json.loads(answer)

        (letter,) = await letters("list")
        shown = await letters("show", str(letter["number"]))
        assert (shown["key"], shown["value"]) == (lead["lead_id"], "\\xff rubbish")
        assert (await letters("replay", str(letter["number"])))["replayed"] == [letter["number"]]
        async with asyncio.timeout(SOON_SECONDS):
            again: list[dict[str, Any]] = []
            while not again:
                await asyncio.sleep(0.2)
                again = await letters("list")
        assert [one["number"] for one in again] != [letter["number"]]
        await letters("discard", "--all")
        assert await letters("list") == []
        assert {one["state"] for one in await letters("list", "--all")} == {"replayed", "discarded"}
        audit = await up.until("/v1/audit", lambda audit: audit["dead_lettered"] == 0)
        assert (audit["received"], audit["unaccounted"]) == (1, 0)
