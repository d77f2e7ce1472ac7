"""`python -m schemas.history freeze [--readers-first EVENT]...`: freeze what is new in the published language."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.history.frozen import FOLDER, WouldRewriteHistory, freeze
from schemas.topics import REGISTRY


def main(arguments: list[str] | None = None) -> int:
    """0: all is frozen; 1: something would rewrite history, and each sentence on stderr says what to do."""
    parser = argparse.ArgumentParser(prog="python -m schemas.history", description=__doc__)
    parser.add_argument("command", choices=["freeze"])
    parser.add_argument(
        "--readers-first",
        metavar="EVENT",
        action="append",
        default=[],
        help="every running reader already knows this event's change; only the log must stay readable",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the frozen versions are")
    asked = parser.parse_args(arguments)
    known = {entry.event.__name__ for entry in REGISTRY}
    if unknown := sorted(set(asked.readers_first) - known):
        parser.error(f"{unknown[0]} is no registered event: see schemas/topics.py")
    refused = False
    for entry in REGISTRY:
        try:
            for path in freeze(entry.event, asked.folder, readers_first=entry.event.__name__ in asked.readers_first):
                sys.stdout.write(f"frozen: {path.name}\n")
        except WouldRewriteHistory as error:
            refused = True
            sys.stderr.write(f"{error}\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
