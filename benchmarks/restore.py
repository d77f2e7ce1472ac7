"""What a start costs: the state of 100,000 keys read back from the changelog, also after more traffic than keys."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import engine
from benchmarks.figures import Figure
from services.console.broker import EmbeddedBroker
from services.runtime.settings import Settings

KEYS = int(os.environ.get("LEADLOOP_BENCH_KEYS", "100000"))
ROUNDS = int(os.environ.get("LEADLOOP_BENCH_ROUNDS", "2"))
"""How often each key is written before the restore: a day's traffic is ROUNDS=80."""


async def measure() -> list[Figure]:
    """Work ROUNDS events of each of KEYS leads, kill the process, start it anew."""
    with tempfile.TemporaryDirectory(prefix="leadloop-bench-") as folder:
        broker = EmbeddedBroker(Path(folder) / "broker")
        await broker.start()
        try:
            settings = replace(
                engine.settings_for(broker.bootstrap_servers, Path(folder), "bench-restore"), log_level="INFO"
            )
            await engine.prepare(settings)
            await engine.fill(settings, KEYS * ROUNDS, keys=KEYS)
            await engine.rate_of("ours", settings, KEYS * ROUNDS)
            seconds, records = await _restored(settings)
        finally:
            await broker.stop()
    return [
        Figure(f"restore of {KEYS:,} keys", seconds, "s", "<= 5"),
        Figure("changelog records read for it", records, "records"),
    ]


async def _restored(settings: Settings) -> tuple[float, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.contestants",
        "ours",
        env=engine.environment_of(settings),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            async for line in process.stderr:
                said = json.loads(line) if line.startswith(b"{") else {}
                if said.get("event") == "restored" and said["records"] > 0:
                    return float(said["seconds"]), float(said["records"])
        raise RuntimeError("the processor ended before it had restored its state")
    finally:
        process.kill()
        await process.wait()
