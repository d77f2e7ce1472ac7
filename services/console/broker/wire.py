"""The one question asked of a broker here: does it answer a metadata request, as every client's first one is?"""

from __future__ import annotations

import asyncio
import struct

_METADATA = 3
_VERSION = 1
_CORRELATION = 7
_CLIENT = b"leadloop-console"
_RETRY_SECONDS = 0.05
_ONE_TRY_SECONDS = 5.0


async def answers(bootstrap_servers: str, within_seconds: float) -> bool:
    """Whether one of the comma-separated `host:port` answers a metadata request with at least one broker in time."""
    addresses = [_address(server) for server in bootstrap_servers.split(",") if server.strip()]
    try:
        async with asyncio.timeout(within_seconds):
            while not any([await _answers_once(host, port) for host, port in addresses]):
                await asyncio.sleep(_RETRY_SECONDS)
    except TimeoutError:
        return False
    return True


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.strip().rpartition(":")
    return host.strip("[]"), int(port)


async def _answers_once(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_ONE_TRY_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_request())
                size = struct.unpack(">i", await reader.readexactly(4))[0]
                answer = await reader.readexactly(size)
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return False
    correlation, brokers = struct.unpack_from(">ii", answer)
    return bool(correlation == _CORRELATION and brokers > 0)


def _request() -> bytes:
    """Metadata request, version 1, for no topic (KIP-4): the oldest form that Kafka 4 still speaks."""
    body = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION, len(_CLIENT)) + _CLIENT + struct.pack(">i", 0)
    return struct.pack(">i", len(body)) + body
