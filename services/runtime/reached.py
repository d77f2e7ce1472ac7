"""How far a projection has read, and who waits for it to come further."""

from __future__ import annotations

import asyncio

from services.runtime.following import Place
from services.runtime.positions import Positions


class Reached:
    """The offset of the next record by place. Used in one event loop."""

    def __init__(self) -> None:
        self.positions: dict[Place, int] = {}
        self._waiters: dict[Place, list[tuple[int, asyncio.Future[None]]]] = {}

    def begin(self, positions: Positions) -> None:
        """Start from here; who waits goes on waiting."""
        self.positions = dict(positions)

    async def until(self, place: Place, target: int) -> None:
        """Wait until every record before `target` has been read."""
        if self.positions.get(place, 0) >= target:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(place, []).append((target, future))
        await future

    def moved(self, upto: Positions) -> None:
        """So far has been read now. Never goes back."""
        for place, position in upto.items():
            if position > self.positions[place]:
                self.positions[place] = position
                self._wake(place, position)

    def _wake(self, place: Place, position: int) -> None:
        waiting = [(target, future) for target, future in self._waiters.pop(place, ()) if not future.done()]
        for target, future in waiting:
            if target <= position:
                future.set_result(None)
        left = [(target, future) for target, future in waiting if target > position]
        if left:
            self._waiters[place] = left
