"""Questions that come while another one is answered are asked together, and each gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.runtime.asking import AskedTogether


class House:
    """Answers numbers with their doubles, when it is let; remembers what it was asked at once."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def answer(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.asked.append(list(numbers))
        self.was_asked.set()
        await self.may_answer.wait()
        if 13 in numbers:
            raise ConnectionError("the database does not answer")
        return [ValueError("negative") if n < 0 else 2 * n for n in numbers]


async def test_questions_wait_for_the_one_before_and_are_then_asked_at_once() -> None:
    house = House()
    together: AskedTogether[int, int] = AskedTogether(house.answer)
    first = asyncio.create_task(together.ask(1))
    await house.was_asked.wait()
    others = [asyncio.create_task(together.ask(n)) for n in (2, 3, 4)]
    house.may_answer.set()
    assert [await first, *await asyncio.gather(*others)] == [2, 4, 6, 8]
    assert house.asked == [[1], [2, 3, 4]]


async def test_what_fails_for_one_fails_for_him_alone() -> None:
    house = House()
    house.may_answer.set()
    together: AskedTogether[int, int] = AskedTogether(house.answer)
    good, bad = await asyncio.gather(together.ask(5), together.ask(-5), return_exceptions=True)
    assert good == 10
    assert isinstance(bad, ValueError)


async def test_a_failure_is_told_to_all_who_asked_and_the_next_question_is_answered() -> None:
    house = House()
    house.may_answer.set()
    together: AskedTogether[int, int] = AskedTogether(house.answer)
    told = await asyncio.gather(together.ask(13), together.ask(1), return_exceptions=True)
    assert [type(t) for t in told] == [ConnectionError, ConnectionError]
    assert await together.ask(1) == 2


async def test_an_asker_who_gives_up_takes_nothing_from_the_others() -> None:
    house = House()
    together: AskedTogether[int, int] = AskedTogether(house.answer)
    gone, stays = asyncio.create_task(together.ask(1)), asyncio.create_task(together.ask(2))
    await house.was_asked.wait()
    gone.cancel()
    house.may_answer.set()
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
