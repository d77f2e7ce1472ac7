"""The frozen versions in `schemas/frozen/`: one JSON Schema and one example a version, never overwritten.

`<Event>.v<N>.schema.json` is the version as first published. A change that every reader can live with adds a revision
beside it, `<Event>.v<N>.r<M>.schema.json`, with an example of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from schemas.base import Event
from schemas.history.compatibility import Break, log_breaks, running_breaks
from schemas.history.examples import example_json

FOLDER = Path(__file__).resolve().parent.parent / "frozen"
COMMAND = "python -m schemas.history freeze"
_NAME = re.compile(r"(?P<event>\w+)\.v(?P<version>\d+)(?:\.r(?P<revision>\d+))?\.schema\.json")


@dataclass(frozen=True, slots=True)
class Frozen:
    """One frozen version of an event, or a later revision of it."""

    event: str
    version: int
    revision: int
    schema: Mapping[str, Any]
    example: bytes

    @property
    def type_name(self) -> str:
        """The `ce_type` under which its records are in the log."""
        return f"leadloop.{self.event}.v{self.version}"


class WouldRewriteHistory(ValueError):
    """A frozen version differs from today's model in a way that a reader could not live with."""


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of the model of today, without titles and prose (which may change at will)."""
    bare: dict[str, Any] = _without_prose(event.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": event.type_name(), **bare}


def read(folder: Path = FOLDER) -> tuple[Frozen, ...]:
    """All that is frozen, oldest first. Raises ValueError naming a schema without its example."""
    found = []
    for path in sorted(folder.glob("*.schema.json")):
        if (match := _NAME.fullmatch(path.name)) is None:
            raise ValueError(f"{path}: a frozen schema is called <Event>.v<N>.schema.json")
        example = path.with_name(path.name.replace(".schema.json", ".example.json"))
        if not example.exists():
            raise ValueError(
                f"{path}: its example {example.name} is missing; take it back from the repository's history"
            )
        found.append(
            Frozen(
                match["event"],
                int(match["version"]),
                int(match["revision"] or 1),
                orjson.loads(path.read_bytes()),
                example.read_bytes(),
            )
        )
    return tuple(sorted(found, key=lambda f: (f.event, f.version, f.revision)))


def complaints(event: type[Event], history: tuple[Frozen, ...]) -> Iterator[str]:
    """What is wrong between the model of today and what is frozen, each as a sentence that says what to do."""
    mine = [f for f in history if (f.event, f.version) == (event.__name__, event.version)]
    if not mine:
        yield f"{event.type_name()} is not frozen: run `{COMMAND}` and commit the two files that it writes."
        return
    today = schema_of(event)
    found: tuple[Break, ...] = ()
    for frozen in mine:
        found += log_breaks(_body(frozen.schema), _body(today))
    newest = _body(mine[-1].schema)
    if newest != _body(today):
        found += running_breaks(newest, _body(today))
        if not found:
            yield f"{event.type_name()} has grown so that all readers can live with it: run `{COMMAND}` to freeze it."
    yield from dict.fromkeys(b.sentence(event.__name__, event.version) for b in found)


def freeze(event: type[Event], folder: Path = FOLDER, *, readers_first: bool = False) -> tuple[Path, ...]:
    """Write what is new of `event`: its version, or a revision of it; nothing if all is frozen.

    readers_first: every running reader already knows the change, so only the log must stay readable.
    Raises WouldRewriteHistory, with a sentence for each change that a reader could not live with.
    """
    mine = [f for f in read(folder) if (f.event, f.version) == (event.__name__, event.version)]
    today = schema_of(event)
    stem = event.type_name().removeprefix("leadloop.")
    if mine:
        if _body(mine[-1].schema) == _body(today):
            return ()
        found = [b for f in mine for b in log_breaks(_body(f.schema), _body(today))]
        if not readers_first:
            found += running_breaks(_body(mine[-1].schema), _body(today))
        if found:
            sentences = "\n".join(dict.fromkeys(b.sentence(event.__name__, event.version) for b in found))
            raise WouldRewriteHistory(
                f"{sentences}\nWhat is frozen is never overwritten; only a version that no installation has ever run "
                f"may be deleted by hand ({folder.name}/{stem}.*) and frozen anew."
            )
        stem += f".r{mine[-1].revision + 1}"
    folder.mkdir(parents=True, exist_ok=True)
    schema, example = folder / f"{stem}.schema.json", folder / f"{stem}.example.json"
    example.write_text(example_json(event))
    schema.write_bytes(orjson.dumps(today, option=orjson.OPT_INDENT_2) + b"\n")
    return schema, example


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in schema.items() if k not in ("$schema", "title")}


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_prose(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for keyword, value in schema.items():
        if keyword in ("title", "description") and isinstance(value, str):
            continue
        if keyword in ("properties", "$defs", "patternProperties"):  # here the keys are names, not keywords
            out[keyword] = {name: _without_prose(inner) for name, inner in value.items()}
        elif keyword in ("default", "const", "enum"):
            out[keyword] = value
        else:
            out[keyword] = _without_prose(value)
    return out
