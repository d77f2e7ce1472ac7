"""Closing a Kafka client, also while the broker is away.

aiokafka 0.14 awaits tasks that it has just cancelled (consumer/fetcher.py, `Fetcher.close`), so that with a broker away its
own cancellation comes out of `stop()` and would end whoever awaits it, and the sockets stay open. Here it stays inside.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS = 5.0


async def let_go(client: Any) -> None:
    """Stop an AIOKafkaConsumer or AIOKafkaProducer and close its connections. Raises nothing; takes at most ten seconds."""
    await _alone(client.stop())
    await _alone((getattr(client, "_client", None) or client.client).close())


async def _alone(closing: Any) -> None:
    task = asyncio.ensure_future(closing)
    _, late = await asyncio.wait({task}, timeout=_PATIENCE_SECONDS)
    if late:
        task.cancel()
        log.warning("client_closes_slowly")
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.warning("client_closed_badly", error=type(error).__name__)
