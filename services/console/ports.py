"""Free ports of this machine, chosen where no outgoing connection will take them."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection
from pathlib import Path

HOST = "127.0.0.1"
_LOWEST = 20_000
_USUAL_FIRST_EPHEMERAL = 32_768
_TRIES = 200


def free_port(avoid: Collection[int] = ()) -> int:
    """A TCP port that nobody listens on now and that is not in `avoid`; raises OSError when none is found.

    It lies below the range that the system gives to outgoing connections: a client that tries again and again to
    reach a stopped server inside that range can be given the server's own port and connect to itself, and the server
    is locked out.
    """
    highest = max(_first_ephemeral() - 1, _LOWEST + 1_000)
    for port in random.sample(range(_LOWEST, highest), _TRIES):
        if port not in avoid and is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {highest} on {HOST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return _USUAL_FIRST_EPHEMERAL
    return first if first > _LOWEST + 1_000 else _USUAL_FIRST_EPHEMERAL
