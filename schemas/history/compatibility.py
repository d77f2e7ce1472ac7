"""Whether one version of a model can read what another writes, judged by their JSON Schemas.

Two directions matter. What is in the log stays there for ever, so the model of today must read what every frozen
version wrote (`Direction.LOG`). While processes are replaced one by one, one that still runs the version before must
read what the model of today writes (`Direction.RUNNING`). A writer writes every field; a reader ignores fields that it
does not know and needs those that have no default.

The judgement errs on the safe side: a change that cannot be shown to be harmless (another pattern, say) counts as
harmful. Only the keywords that pydantic writes are known; an unknown one is an error, never skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Schema = Mapping[str, Any]

_KNOWN = frozenset(
    {
        "$schema",
        "$defs",
        "$ref",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "anyOf",
        "oneOf",
        "discriminator",
        "enum",
        "const",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "multipleOf",
        "minProperties",
        "maxProperties",
        "default",
        "contentMediaType",
        "title",
        "description",
        "examples",
        "deprecated",
    }
)
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


class Direction(StrEnum):
    """Whose records the reader must live with."""

    LOG = "log"
    """The model of today reads what is in the log."""
    RUNNING = "running"
    """A running process of the version before reads what the model of today writes."""


@dataclass(frozen=True, slots=True)
class Break:
    """One change that a reader could not live with."""

    direction: Direction
    where: str
    """The field, such as `by.rep_id`; empty for the event itself."""
    what: str

    def sentence(self, event: str, version: int) -> str:
        """What happened and what to do, for a person."""
        place = f"{event}.v{version}" + (f", {self.where}" if self.where else "")
        if self.direction is Direction.LOG:
            return (
                f"{place}: {self.what}, so records in the log could no longer be read. Take the change back, or set "
                f"`version = {version + 1}` in {event}, lift version {version} in schemas/history/upcasters.py and run "
                f"`python -m schemas.history freeze`."
            )
        return (
            f"{place}: {self.what}, so a process that still runs the version before could not read what is written. "
            f"Take the change back, or let every reader run this version first and only then write it: "
            f"`python -m schemas.history freeze --readers-first {event}` records that."
        )


def breaks(frozen: Schema, today: Schema) -> tuple[Break, ...]:
    """What a change from the `frozen` schema to `today`'s breaks, in both directions."""
    return (*log_breaks(frozen, today), *running_breaks(frozen, today))


def log_breaks(frozen: Schema, today: Schema) -> tuple[Break, ...]:
    """What of the records written under `frozen` the model of today could not read."""
    found = _Comparison(frozen, today, Direction.LOG).between(frozen, today, "")
    return tuple(dict.fromkeys(Break(Direction.LOG, w, t) for w, t in found))


def running_breaks(frozen: Schema, today: Schema) -> tuple[Break, ...]:
    """What the model of today may write that a reader of `frozen` could not read."""
    found = _Comparison(today, frozen, Direction.RUNNING).between(today, frozen, "")
    return tuple(dict.fromkeys(Break(Direction.RUNNING, w, t) for w, t in found))


class _Comparison:
    """Whether everything that the writer's schema allows is read by the reader's."""

    def __init__(self, writer_root: Schema, reader_root: Schema, direction: Direction) -> None:
        self._writer_defs: Schema = writer_root.get("$defs", {})
        self._reader_defs: Schema = reader_root.get("$defs", {})
        self._open: set[tuple[str, str]] = set()
        self._log = direction is Direction.LOG

    def between(self, writer: Schema, reader: Schema, where: str) -> Iterator[tuple[str, str]]:
        """The places and the words of what does not fit."""
        pair = (str(writer.get("$ref", id(writer))), str(reader.get("$ref", id(reader))))
        if pair in self._open:
            return  # a recursive model: this pair is being compared further up
        self._open.add(pair)
        try:
            yield from self._resolved(_resolve(writer, self._writer_defs), _resolve(reader, self._reader_defs), where)
        finally:
            self._open.discard(pair)

    def _resolved(self, writer: Schema, reader: Schema, where: str) -> Iterator[tuple[str, str]]:
        _check_known(writer, where)
        _check_known(reader, where)
        if _accepts_all(reader):
            return
        if (many := _branches(writer)) is not None:
            for branch in many:
                yield from self._branch(branch, reader, where, many)
            return
        if _branches(reader) is not None:
            yield from self._branch(writer, reader, where, [writer])
            return
        yield from self._plain(writer, reader, where)

    def _branch(self, branch: Schema, reader: Schema, where: str, siblings: list[Schema]) -> Iterator[tuple[str, str]]:
        """One member of the writer's union: some member of the reader's must read it."""
        options = _branches(reader) or [reader]
        attempts = [list(self.between(branch, option, where)) for option in options]
        if any(not attempt for attempt in attempts):
            return
        tag = _tag(_resolve(branch, self._writer_defs))
        for option, attempt in zip(options, attempts, strict=True):
            same_tag = tag is not None and _tag(_resolve(option, self._reader_defs)) == tag
            if same_tag or (len(options) == 1 and len(siblings) == 1):
                yield from attempt  # the same member, changed inside: name the field
                return
        name = _name(branch, self._writer_defs)
        kinds = [_kind(_resolve(option, self._reader_defs)) for option in options]
        if name == "null":
            yield where, "it may no longer be null" if self._log else "it may be null now"
        elif len(siblings) == 1 and len(options) == 1:
            yield from attempts[0]
        elif kinds.count(mine := _kind(_resolve(branch, self._writer_defs))) == 1:
            yield from attempts[kinds.index(mine)]
        else:
            yield where, f"{name} is no member of the union any more" if self._log else f"{name} is new in the union"

    def _plain(self, writer: Schema, reader: Schema, where: str) -> Iterator[tuple[str, str]]:
        values, readable = _values(writer), _values(reader)
        if values is not None:
            yield from self._each_value(values, readable, reader, where)
            return
        if readable is not None:
            yield where, _was_is(self._log, _kind(writer), f"one of {_listed(readable)}", "its type")
            return
        if not _type_fits(writer.get("type"), reader.get("type")):
            yield where, _was_is(self._log, _kind(writer), _kind(reader), "its type")
            return
        yield from self._limits(writer, reader, where)
        if writer.get("type") == "object":
            yield from self._object(writer, reader, where)
        if writer.get("type") == "array":
            yield from self._array(writer, reader, where)

    def _each_value(
        self, values: list[Any], readable: list[Any] | None, reader: Schema, where: str
    ) -> Iterator[tuple[str, str]]:
        for value in values:
            if readable is not None:
                if value not in readable:
                    said = f"the value {value!r} was taken away" if self._log else f"the value {value!r} is new"
                    yield where, said
            elif not _type_fits(_json_type(value), reader.get("type")) or "pattern" in reader or "format" in reader:
                yield where, _was_is(self._log, f"the value {value!r}", _kind(reader), "its type")
            elif beyond := [keyword for keyword in (*_LOWER, *_UPPER) if not _within(value, keyword, reader)]:
                yield where, f"the value {value!r} is beyond its {beyond[0]}, {reader[beyond[0]]}"

    def _limits(self, writer: Schema, reader: Schema, where: str) -> Iterator[tuple[str, str]]:
        for keyword in ("pattern", "format", "multipleOf", "uniqueItems", "contentMediaType"):
            if keyword in reader and reader[keyword] != writer.get(keyword):
                yield where, self._changed(keyword, writer.get(keyword), reader[keyword])
        for keywords, tighter in ((_LOWER, 1), (_UPPER, -1)):
            for keyword in keywords:
                if keyword not in reader:
                    continue
                if keyword not in writer or (reader[keyword] - writer[keyword]) * tighter > 0:
                    yield where, self._changed(keyword, writer.get(keyword), reader[keyword])

    def _changed(self, keyword: str, writers: Any, readers: Any) -> str:
        before, after = (writers, readers) if self._log else (readers, writers)
        return f"its {keyword} was {'free' if before is None else before} and is {'free' if after is None else after}"

    def _object(self, writer: Schema, reader: Schema, where: str) -> Iterator[tuple[str, str]]:
        if _is_map(writer) or _is_map(reader):
            yield from self._map(writer, reader, where)
            return
        written: Schema = writer.get("properties", {})
        known: Schema = reader.get("properties", {})
        renamed = _renames(written, known) if self._log else {}
        for name in written:
            if name in known:
                yield from self.between(written[name], known[name], _inside(where, name))
            elif name in renamed:
                yield (
                    _inside(where, name),
                    f"it was renamed to {renamed[name]}, and what stands under the old name is lost",
                )
        for name in reader.get("required", ()):
            if name not in written and name not in renamed.values():
                came = "the field was added without a default"
                yield _inside(where, name), came if self._log else "the field was removed and had no default"

    def _map(self, writer: Schema, reader: Schema, where: str) -> Iterator[tuple[str, str]]:
        if _is_map(writer) != _is_map(reader):
            words = ("a map with free keys", "an object with named fields")
            yield where, _was_is(self._log, words[not _is_map(writer)], words[not _is_map(reader)], "it")
            return
        (key, value), (readable_key, readable_value) = _entry(writer), _entry(reader)
        yield from self.between(key, readable_key, _inside(where, "(key)"))
        yield from self.between(value, readable_value, _inside(where, "(value)"))

    def _array(self, writer: Schema, reader: Schema, where: str) -> Iterator[tuple[str, str]]:
        fixed, readable = writer.get("prefixItems"), reader.get("prefixItems")
        if (fixed is None) != (readable is None):
            words = ("a list of any length", "a fixed row of values")
            yield where, _was_is(self._log, words[fixed is not None], words[readable is not None], "it")
            return
        if fixed is not None and readable is not None:
            for index, (mine, theirs) in enumerate(zip(fixed, readable, strict=False)):
                yield from self.between(mine, theirs, f"{where}[{index}]")
            return  # another length shows in minItems and maxItems
        yield from self.between(writer.get("items", {}), reader.get("items", {}), f"{where}[]")


def _resolve(schema: Schema, defs: Schema) -> Schema:
    while "$ref" in schema:
        schema = defs[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _check_known(schema: Schema, where: str) -> None:
    if unknown := sorted(set(schema) - _KNOWN):
        raise NotImplementedError(
            f"schemas/history/compatibility.py does not know the keyword {unknown[0]} (at {where or 'the top'}): "
            "teach it what the keyword means before a model uses it"
        )


def _accepts_all(schema: Schema) -> bool:
    return not (set(schema) - {"title", "description", "default", "examples", "$defs", "deprecated"})


def _branches(schema: Schema) -> list[Schema] | None:
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return list(schema[keyword])
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": t} for t in schema["type"]]
    return None


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _tag(schema: Schema) -> Any:
    """The constant that tells a member of a discriminated union from the others."""
    for name, field in schema.get("properties", {}).items():
        if "const" in field:
            return (name, field["const"])
    return None


def _name(branch: Schema, defs: Schema) -> str:
    resolved = _resolve(branch, defs)
    if (tag := _tag(resolved)) is not None:
        return repr(tag[1])
    if "$ref" in branch:
        return str(branch["$ref"]).removeprefix("#/$defs/")
    return _kind(resolved)


def _kind(schema: Schema) -> str:
    if (values := _values(schema)) is not None:
        return f"one of {_listed(values)}"
    kind = str(schema.get("type", "anything"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _listed(values: list[Any]) -> str:
    return ", ".join(map(repr, values))


def _was_is(log: bool, writers: str, readers: str, what: str) -> str:
    before, after = (writers, readers) if log else (readers, writers)
    return f"{what} was {before} and is {after}"


def _within(value: Any, keyword: str, reader: Schema) -> bool:
    """Whether one value of an enumeration keeps one limit of the reader's."""
    if keyword not in reader:
        return True
    measured = len(value) if keyword in ("minLength", "maxLength") else value
    if keyword in _LOWER:
        return bool(measured > reader[keyword] if keyword.startswith("exclusive") else measured >= reader[keyword])
    return bool(measured < reader[keyword] if keyword.startswith("exclusive") else measured <= reader[keyword])


def _json_type(value: Any) -> str:
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(value, kind):
            return name
    return "null"


def _type_fits(writer: Any, reader: Any) -> bool:
    return reader is None or writer == reader or (writer == "integer" and reader == "number")


def _is_map(schema: Schema) -> bool:
    return "properties" not in schema and ("additionalProperties" in schema or "patternProperties" in schema)


def _entry(schema: Schema) -> tuple[Schema, Schema]:
    """The schemas of a map's keys and of its values."""
    if "patternProperties" in schema:
        [(pattern, value)] = schema["patternProperties"].items()
        return {"type": "string", "pattern": pattern}, value
    value = schema.get("additionalProperties", {})
    key = {"type": "string", **schema.get("propertyNames", {})}
    return key, value if isinstance(value, dict) else {}


def _renames(written: Schema, known: Schema) -> dict[str, str]:
    """Fields that went away while one of the same schema (but for its default) came."""
    gone = [n for n in written if n not in known]
    come = [n for n in known if n not in written]
    pairs: dict[str, str] = {}
    for old in gone:
        for new in come:
            if new not in pairs.values() and _bare(written[old]) == _bare(known[new]):
                pairs[old] = new
                break
    return pairs


def _bare(schema: Schema) -> dict[str, Any]:
    return {k: v for k, v in schema.items() if k not in ("default", "title", "description")}


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
