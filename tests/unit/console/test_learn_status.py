"""`leadloop learn status` at feedback's door: what was learned, its figures over time, and whether it counts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.agreement import Agreement
from schemas.events.scoring import ModelPublished
from schemas.learning.course import ModelCourse
from services.feedback.learning import learning_doors
from services.runtime.health import Health
from services.runtime.http import create_app, serve
from tests.builders import MONDAY, agreement
from tests.integration.served import TOKEN, settings_for

CARD = {"always": 0, "attributes": [], "places": [], "rates": [], "tokens": []}


class Published:
    """An agreement that lets the model count, and two publications of it."""

    def __init__(self, *publications: dict[str, Any]) -> None:
        self.models = ModelCourse()
        for number, said in enumerate(publications, 1):
            at = MONDAY + timedelta(minutes=number)
            event = {"name": "winning", "model_version": number, "effective_at": at + timedelta(seconds=20), "weights": {}, **said}
            assert self.models.take(ModelPublished.model_validate(event), at) is None

    def in_force(self, at: object) -> Agreement:
        return agreement(learning={"counts": "model", "qualifies_from": 0.3})


FEW: dict[str, Any] = {"outcomes": 25, "wins": 3, "because": "25 outcomes are not enough"}
MANY: dict[str, Any] = {
    "outcomes": 400, "wins": 90, "learned": True, "better": True, "better_by": "0.2", "because": "learned: AUC 0.79", "card": CARD,
    "weights": {"industry": "1.25"}, "leaks": [{"attribute": "closed_by", "because": "closed_by alone tells won from lost"}],
    "figures": {"outcomes": 400, "wins": 90, "roc_auc": "0.792", "ece": "0.02", "rules_roc_auc": "0.592"},
}  # fmt: skip


async def asked(published: Published, folder: Path, *words: str) -> str:
    """What the command says, run as a person runs it."""
    settings = settings_for("nowhere:1", "t", folder)
    app = create_app("feedback", settings, Health())
    app.include_router(learning_doors(published))
    async with serve(app, "127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}"
        doors = {f"LEADLOOP_{door}_URL": url for door in ("INTAKE", "DESK", "FEEDBACK")}
        done = await asyncio.to_thread(
            lambda: subprocess.run(
                [sys.executable, "-m", "services.console.main", "learn", "status", *words],
                env={**os.environ, **doors, "LEADLOOP_TOKEN": TOKEN, "COLUMNS": "200"},
                capture_output=True, text=True, timeout=100, check=False,
            )
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("publications", "says"),
    [
        ((), ["no outcome has been learned from yet", "the rules decide"]),
        ((FEW,), ["25 outcomes with 3 wins", "not enough", "nothing learned"]),
        ((FEW, MANY), ["400 outcomes with 90 wins", "the model decides", "0.792", "0.592", "not used: closed_by", "industry 1.25"]),
    ],
)
async def test_it_is_told_in_sentences(publications: tuple[dict[str, Any], ...], says: list[str], tmp_path: Path) -> None:
    said = await asked(Published(*publications), tmp_path)

    assert [text for text in says if text not in said] == []


async def test_as_json_it_is_a_series(tmp_path: Path) -> None:
    answer = json.loads(await asked(Published(FEW, MANY), tmp_path, "--json"))

    assert [(p["outcomes"], p["learned"], p["roc_auc"] if p["of_latest"] else None) for p in answer["series"]] == [
        (25, False, None), (400, True, 0.792),
    ]  # fmt: skip
    assert answer["in_force"] == {"model_version": 2, "since": "2026-03-02T09:02:20Z", "learned": True}
    assert answer["model_decides"] is True
