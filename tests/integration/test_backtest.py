"""`leadloop backtest` on a real Kafka: a log that live services recorded over a change of agreement."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.events.desk import LeadAccepted, RepJoined
from schemas.ids import LeadId
from schemas.topics import LEADS
from schemas.vocabulary import ByRep
from services.console import main
from services.desk.app import SERVICE as DESK
from services.runtime.settings import Settings
from tests.approvers import agreed
from tests.builders import engaged, submitted
from tests.integration.served import AGREEMENT, TOKEN, Pens, pens, publish_agreement, served, settings_for

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(240)]

SERVICES = ("scoring", "routing", "sla", "recycling", "alerting")
FIRST = AGREEMENT.replace(
    "  - {id: rest, verdict: qualified, because: everybody is}",
    "  - {id: demo, verdict: qualified, when: {attribute: topic, in: [demo]}, because: asked for a demo}\n"
    "  - {id: score, verdict: qualified, when: {score: {at_least: 40}}, because: the score is at least 40}\n"
    "  - {id: rest, verdict: nurtured, because: not ready yet}",
)
SECOND = FIRST.replace("at_least: 40", "at_least: 25")
NOBODY = FIRST.replace("when: {attribute: topic, in: [demo]}", "when: {attribute: industry, in: [mining]}")
LARGE, DEMO, SMALL = {"employees": 80}, {"topic": "demo"}, {"employees": 2}


@dataclass(frozen=True)
class Recorded:
    """An installation whose services have ended."""

    settings: Settings
    environment: dict[str, str]

    def backtest(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "services.console.main", "backtest", *words, "--json"],
            env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


Leadloop = Callable[..., tuple[int, str, str]]


@pytest.fixture
def leadloop(recorded: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Leadloop:
    """Run a command in this process: its exit code, what it answered and what it complained about."""
    for name, value in recorded.environment.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["leadloop", *words, "--json"])
        with pytest.raises(SystemExit) as end:
            main.main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def lead(number: int) -> LeadId:
    return LeadId(f"0b0f6c1a-5b5e-4f6e-9d58-{number:012d}")


async def log(settings: Settings) -> list[Any]:
    """Every record of `leads`."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        tps = [TopicPartition(settings.topic(LEADS), p) for p in range(settings.partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        out: list[Any] = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(*tps, timeout_ms=500)).values():
                out += records
        return out
    finally:
        await consumer.stop()


async def until(settings: Settings, holds: Callable[[list[tuple[str, str, dict[str, Any]]]], bool]) -> list[tuple[str, str, dict[str, Any]]]:
    """The log as (type, key, content), once it is as it should be."""
    async with asyncio.timeout(90):
        while True:
            told = [
                (dict(r.headers)["ce_type"].decode().split(".")[1], r.key.decode(), json.loads(r.value))
                for r in await log(settings)
            ]
            if holds(told):
                return told
            await asyncio.sleep(0.3)


def said(told: list[tuple[str, str, dict[str, Any]]], name: str, **fields: Any) -> set[str]:
    """The leads of which this was said."""
    return {key for kind, key, what in told if kind == name and all(what[f] == v for f, v in fields.items())}


@asynccontextmanager
async def living(environment: dict[str, str], folder: Path) -> AsyncIterator[None]:
    """Every service that decides, as a process of its own."""
    processes = []
    try:
        for service in SERVICES:
            with (folder / f"{service}.log").open("wb") as output:
                processes.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable, "-m", f"services.{service}", env={**os.environ, **environment},
                        stdout=output, stderr=output,
                    )
                )
        yield
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
        for process in processes:
            await process.wait()


async def history(settings: Settings, environment: dict[str, str]) -> None:
    """Twelve leads; the agreement changes between the sixth and the seventh."""
    await publish_agreement(settings, FIRST)
    async with pens(settings) as write, living(environment, settings.data_dir):
        await write.by(
            "desk",
            RepJoined.model_validate({"team_id": "sales", "rep_id": "ana", "role": "sdr", "pools": {"inbound": 1}}),
        )
        await submit(write, range(1, 7))
        told = await until(settings, lambda t: len(said(t, "LeadAssigned")) == 2 and len(said(t, "LeadNurtured")) == 4)
        for key in said(told, "LeadAssigned"):
            request = next(what["request_id"] for kind, k, what in told if kind == "LeadAssigned" and k == key)
            await write.by("desk", LeadAccepted(lead_id=LeadId(key), assignment_id=request, by=ByRep(rep_id="ana"), occurred_at=now()))  # type: ignore[arg-type]
        await publish_second(write)
        await until(settings, lambda t: said(t, "LeadQualified", agreement_version=2) == {lead(1), lead(4)})
        await submit(write, range(7, 13))
        await write.by("intake", engaged("pricing_viewed", now(), lead=lead(3)))
        await until(
            settings,
            lambda t: len(said(t, "LeadQualified")) == 8
            and len(said(t, "LeadAssigned")) == 8
            and len(said(t, "ClockStarted")) == 8
            and len(said(t, "LeadScored")) == 12
            and lead(3) in {k for kind, k, what in t if kind == "LeadScored" and what["engagement"] != "0"},
        )


async def submit(write: Pens, numbers: range) -> None:
    """A large company, a wish for a demo and a small company in turn."""
    for number in numbers:
        attributes = (SMALL, LARGE, DEMO)[number % 3]
        campaign = {"campaign": "spring" if number <= 6 else "autumn"}
        await write.by("intake", submitted(lead=lead(number), at=now(), attributes=attributes, source=campaign))


async def publish_second(write: Pens) -> None:
    for event in agreed(SECOND, 2, now() + timedelta(seconds=12), "tests"):
        await write.by("console", event)


def now() -> datetime:
    return datetime.now(UTC)


def in_a_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await work()

    asyncio.run(run())


@pytest.fixture(scope="module")
def recorded(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("installation")
    settings = settings_for(kafka, f"t-{uuid.uuid4().hex[:12]}", folder)
    environment = {
        "LEADLOOP_BOOTSTRAP_SERVERS": kafka,
        "LEADLOOP_SECRET": settings.secret.hex(),
        "LEADLOOP_TOKEN": TOKEN,
        "LEADLOOP_DATA_DIR": str(folder),
        "LEADLOOP_NAMESPACE": settings.namespace,
        "LEADLOOP_PARTITIONS": str(settings.partitions),
    }
    in_a_loop(lambda: history(settings, environment))
    return Recorded(settings, environment)


def test_history_over_a_change_of_agreement_comes_out_again_to_the_byte(recorded: Recorded) -> None:
    done = recorded.backtest("--verify")

    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["identical"] is True
    assert answer["share"] == 1.0
    assert [a["version"] for a in answer["agreements"]] == [1, 2]
    assert {"scoring", "routing.lead", "routing.team", "sla"} <= answer["processors"].keys()
    assert all(p["said"] == p["recorded"] for p in answer["processors"].values())
    assert answer["said_again"] == answer["same"] >= 12 + 12 + 8 * 4


def test_routings_own_decisions_come_out_again_to_the_byte_without_the_others(leadloop: Leadloop) -> None:
    code, answered, complaint = leadloop("backtest", "--verify", "--only", "routing", "--workers", "1")

    assert code == 0, complaint
    answer = json.loads(answered)
    assert answer["identical"] is True
    assert answer["processors"].keys() == {"routing.lead", "routing.team"}
    assert all(p["said"] == p["recorded"] for p in answer["processors"].values())
    assert leadloop("backtest", "--verify", "--only", "desk")[0] == 1


def test_a_stricter_agreement_names_the_leads_that_would_not_be_qualified_and_writes_a_page(
    recorded: Recorded, tmp_path: Path
) -> None:
    proposed, page = tmp_path / "new.yaml", tmp_path / "report.html"
    proposed.write_text(NOBODY)

    done = recorded.backtest("--agreement", str(proposed), "--html", str(page))

    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["leads"] == 12
    assert (answer["qualified"]["then"], answer["qualified"]["now"], answer["qualified"]["fewer"]) == (8, 0, 8)
    assert {c["campaign"]: c["fewer"] for c in answer["campaigns"]} == {"spring": 4, "autumn": 4}
    assert [(t["team"], t["fewer"]) for t in answer["teams"]] == [("sales", 8)]
    assert {c["lead_id"] for c in answer["changed"]} == {lead(n) for n in (1, 2, 4, 5, 7, 8, 10, 11)}
    assert {w["rule_then"] for w in answer["why"]} == {"demo", "score"}
    assert any("industry" in remark for remark in answer["remarks"])
    assert all(c["lead_id"] in page.read_text() for c in answer["changed"])


def test_the_second_agreement_from_the_beginning_on_qualifies_the_same_leads_and_two_of_them_earlier(
    recorded: Recorded, tmp_path: Path
) -> None:
    proposed = tmp_path / "new.yaml"
    proposed.write_text(SECOND)

    q = json.loads(recorded.backtest("--agreement", str(proposed), "--workers", "1").stdout)["qualified"]

    assert (q["then"], q["now"], q["more"], q["fewer"]) == (8, 8, 0, 0)


def test_bad_input_is_refused_by_name(recorded: Recorded, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(FIRST.replace("verdict: nurtured", "verdict: adored"))

    for words, code, told in (
        (("--agreement", str(broken)), 1, "is refused"),
        (("--agreement", str(tmp_path / "none.yaml")), 1, "cannot be read"),
        (("--agreement", str(broken), "--verify"), 2, "--verify"),
    ):
        done = recorded.backtest(*words)
        assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    good = tmp_path / "good.yaml"
    good.write_text(FIRST)
    done = recorded.backtest("--agreement", str(good), "--since", "2026-01-01T00:00:00")
    assert done.returncode == 1
    assert "no time zone" in done.stderr


def test_a_rep_is_told_his_share_at_the_desk_as_routing_reckoned_it(recorded: Recorded) -> None:
    async def ask() -> None:
        async with served(DESK, recorded.settings) as desk:
            told = (await desk.http.get("/v1/reps/ana/fairness")).json()
            (pool,) = told["pools"]
            assert (told["rep"], told["team"], told["able"], pool["pool"]) == ("ana", "sales", True, "inbound")
            assert (pool["assigned"], pool["share"], pool["shortfall"]) == (8, 8.0, 0.0)
            assert pool["since"] is not None
            assert "exactly his share" in pool["because"]
            assert (await desk.http.get("/v1/reps/nobody/fairness")).status_code == 404

    in_a_loop(ask)


NEW_POOL = FIRST.replace("pools:", "pools:\n  large: {team: sales}").replace(
    "routing:", "routing:\n  - {id: big, pool: large, when: {attribute: employees, at_least: 50}, because: large ones apart}"
)


def test_the_recorded_log_is_routed_again_and_goes_the_same_way(leadloop: Leadloop) -> None:
    code, answered, complaint = leadloop("route", "simulate", "--from-log")

    assert code == 0, complaint
    *lines, report = [json.loads(line) for line in answered.splitlines()]
    assert {line["lead"] for line in lines if line["type"] == "assignment"} == {lead(n) for n in (1, 2, 4, 5, 7, 8, 10, 11)}
    assert (report["type"], report["leads"], report["different"]) == ("report", 8, 0)
    assert report["reps"] == [{"id": "ana", "then": 8, "here": 8}]


def test_a_shadow_of_another_agreement_says_where_it_differs_and_is_the_same_after_kill_9(
    recorded: Recorded, leadloop: Leadloop, tmp_path: Path
) -> None:
    proposed = tmp_path / "new.yaml"
    proposed.write_text(NEW_POOL)
    words = ["route", "shadow", "--agreement", str(proposed), "--since", "2026-01-01T00:00:00Z"]
    command = [sys.executable, "-m", "services.console.main", *words, "--every", "1s", "--json"]

    with subprocess.Popen(command, env={**os.environ, **recorded.environment}, stdout=subprocess.PIPE, text=True) as shadow:
        assert shadow.stdout is not None
        first = json.loads(shadow.stdout.readline())
        shadow.kill()
    code, answered, complaint = leadloop("route", "shadow", "--once")

    assert code == 0, complaint
    told = json.loads(answered)
    assert {one["lead_id"] for one in told["changed"]} == {lead(n) for n in (1, 4, 7, 10)}
    assert told["kinds"] == {"other_pool": 4}
    assert told["reps"] == [{"id": "ana", "then": 8, "here": 4}]
    assert told["waiting"]["here"]["still"] == 4
    assert {**told, "at": ""} == {**first, "at": ""}
    assert leadloop("route", "simulate", "--from-log", "--agreement", str(proposed))[1].splitlines()[-1].count('"kind":"other_pool"') == 4
    for words, why in (
        (("--agreement", str(proposed), "--since", "2026-02-01T00:00:00Z"), "--forget"),
        (("--name", "nobody", "--once"), "there is no shadow nobody yet"),
    ):
        code, _, complaint = leadloop("route", "shadow", *words)
        assert (code, why in complaint) == (1, True), complaint


def test_a_record_with_other_words_than_were_decided_is_found(recorded: Recorded) -> None:
    """The last test of the module: it spoils the log."""

    async def forge() -> None:
        victim = next(r for r in await log(recorded.settings) if b"LeadQualified" in dict(r.headers)["ce_type"])
        producer = AIOKafkaProducer(bootstrap_servers=recorded.settings.bootstrap_servers)
        await producer.start()
        try:
            await producer.send_and_wait(
                victim.topic, victim.value.replace(b'"rule":"', b'"rule":"un'), victim.key,
                partition=victim.partition, headers=list(victim.headers),
            )  # fmt: skip
        finally:
            await producer.stop()

    in_a_loop(forge)
    done = recorded.backtest()

    assert done.returncode == 1, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["other_bytes"]["events"] == 1
    assert (answer["lost"]["events"], answer["extra"]["events"]) == (0, 0)
