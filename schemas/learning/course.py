"""Which model was in force at an instant: a pure fold over the topic of models, the one rule for every reader."""

from __future__ import annotations

import bisect
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from schemas.events.scoring import ModelPublished
from schemas.learning.model import ModelRefused, ReadyModel
from schemas.learning.published import ModelCard

NOTICE = timedelta(seconds=10)
"""A publication that is effective sooner after its own append is void for every reader, as with agreements."""
_READY_AT_ONCE = 3


@dataclass(frozen=True, slots=True)
class ModelInForce:
    """What a publication claims, and the model if it has learned anything."""

    version: int
    effective_at: datetime
    outcomes: int
    learned: bool
    better: bool
    """Shown, beyond chance, to rank better than the rules."""
    better_by: Decimal
    """By so much of ROC-AUC."""
    because: str
    ready: ReadyModel | None


@dataclass(frozen=True, slots=True)
class _Published:
    event: ModelPublished
    """Without its card."""
    card: bytes | None
    at: datetime


class ModelCourse:
    """An installation's models from the first on. Cards are kept packed; those that are asked for are made ready."""

    def __init__(self) -> None:
        self._published: list[_Published] = []
        self._ready: OrderedDict[int, ModelInForce] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"_published": self._published, "_ready": OrderedDict()}

    def __len__(self) -> int:
        return len(self._published)

    def take(self, event: ModelPublished, appended_at: datetime) -> str | None:
        """Fold one publication in. Why it is void, in a sentence; None if it counts."""
        why = self._why_void(event, appended_at)
        if why is None:
            card = None if event.card is None else zlib.compress(event.card.model_dump_json().encode())
            bare = event.model_copy(update={"card": None}) if card is not None else event
            self._published.append(_Published(bare, card, appended_at))
        return why

    def _why_void(self, event: ModelPublished, at: datetime) -> str | None:
        if event.effective_at < at + NOTICE:
            return f"it was effective less than {NOTICE.total_seconds():.0f} seconds after it was published"
        if self._published:
            last = self._published[-1].event
            if event.model_version <= last.model_version:
                return f"version {last.model_version} is newer or the same"
            if event.effective_at <= last.effective_at:
                return f"version {last.model_version} comes into force at {last.effective_at.isoformat()} or later"
        if event.card is not None:
            try:
                ReadyModel(event.model_version, event.card)
            except ModelRefused as refused:
                return str(refused)
        return None

    def in_force(self, at: datetime) -> ModelInForce | None:
        """The model in force at `at`; None before the first."""
        index = bisect.bisect_right(self._published, at, key=lambda p: p.event.effective_at) - 1
        if index < 0:
            return None
        found = self._ready.get(index)
        if found is None:
            found = self._ready[index] = _made_ready(self._published[index])
            if len(self._ready) > _READY_AT_ONCE:
                self._ready.popitem(last=False)
        return found

    def last(self) -> ModelPublished | None:
        """The newest publication, without its card."""
        return self._published[-1].event if self._published else None

    def series(self) -> list[tuple[datetime, ModelPublished]]:
        """Every publication that counts with the instant of its append, without its card."""
        return [(p.at, p.event) for p in self._published]


def _made_ready(published: _Published) -> ModelInForce:
    event, card = published.event, published.card
    ready = None
    if card is not None and event.learned:
        ready = ReadyModel(event.model_version, ModelCard.model_validate_json(zlib.decompress(card)))
    return ModelInForce(
        event.model_version, event.effective_at, event.outcomes, event.learned, event.better, event.better_by,
        str(event.because), ready,
    )  # fmt: skip
