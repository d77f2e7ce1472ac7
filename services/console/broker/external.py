"""A Kafka that others run and that we only use."""

from __future__ import annotations

import asyncio
from typing import Literal

from services.console.broker.faults import BrokerUnavailable
from services.console.broker.wire import answers

_ANSWER_SECONDS = 30.0


class ExternalBroker:
    """The Kafka that KAFKA_BOOTSTRAP_SERVERS names: never started, never stopped by us."""

    kind: Literal["external"] = "external"
    pid: None = None

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    async def start(self) -> None:
        """Wait until it answers; raises BrokerUnavailable after 30 s."""
        try:
            ready = await answers(self.bootstrap_servers, _ANSWER_SECONDS)
        except ValueError as fault:
            raise BrokerUnavailable(
                f"KAFKA_BOOTSTRAP_SERVERS is {self.bootstrap_servers!r}, not host:port[,host:port...]; correct it"
            ) from fault
        if not ready:
            raise BrokerUnavailable(
                f"no Kafka answers at {self.bootstrap_servers} within {_ANSWER_SECONDS:.0f} s; "
                "start it, or correct KAFKA_BOOTSTRAP_SERVERS, or unset it to use a broker of leadloop's own"
            )

    async def stop(self) -> None:
        """Leave it as it is: it is not ours."""

    async def wait(self) -> None:
        """Never return: whether it runs is not ours to watch."""
        await asyncio.Event().wait()
