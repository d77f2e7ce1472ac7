"""Where the doors of an installation listen: the well-known ports, free ones, or those that it had before."""

from __future__ import annotations

from collections.abc import Mapping

from services.console.environment import DOORS
from services.console.installation import Installation
from services.console.ports import HOST, free_port, is_free
from services.console.terminal import Refused

FIRST_PORT = 8600
"""Intake; the desk and feedback follow it."""
AUTO = "auto"


def parse_ports(text: str | None) -> str | int | None:
    """`auto`, or the first of three ports in a row. Raises ValueError."""
    if text is None or text == AUTO:
        return text
    if not text.isdigit() or not 1 <= int(text) <= 65535 - len(DOORS):
        raise ValueError(
            f"{text!r} is neither 'auto' nor the first of {len(DOORS)} ports in a row, such as {FIRST_PORT}"
        )
    return int(text)


def ports_for(installation: Installation, wanted: str | int | None) -> Mapping[str, int]:
    """The port of each door; kept ones first. Raises Refused naming a port that another program has."""
    kept = {door: port for door, port in installation.ports.items() if door in DOORS}
    if isinstance(wanted, int):
        return _all_free(dict(zip(DOORS, range(wanted, wanted + len(DOORS)), strict=True)), installation)
    if wanted == AUTO:
        return _some_free({door: port for door, port in kept.items() if is_free(port)})
    if len(kept) == len(DOORS):
        return _all_free(kept, installation)
    return _all_free(dict(zip(DOORS, range(FIRST_PORT, FIRST_PORT + len(DOORS)), strict=True)), installation)


def _some_free(kept: dict[str, int]) -> Mapping[str, int]:
    chosen = dict(kept)
    for door in DOORS:
        chosen.setdefault(door, free_port(avoid=set(chosen.values())))
    return chosen


def _all_free(ports: Mapping[str, int], installation: Installation) -> Mapping[str, int]:
    for door, port in ports.items():
        if not is_free(port):
            raise Refused(
                f"port {port} of {HOST}, where the {door} of {installation.folder} is to listen, is taken by "
                "another program; "
                "end that program, or start with --ports auto"
            )
    return ports
