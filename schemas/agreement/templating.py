"""Templates of messages: what they may say, whether they hold, and the text that they make. Pure.

They are jinja2's, in its sandbox, and only that part of the language whose size and time are bounded by the template's own
length: text, values, conditions, and loops over the given lists that are not inside of each other. There are no calls, no
assignments, no arithmetic and no filter that makes a text longer than it was by a factor. So the worst template of the
allowed size is written within a fraction of a second, whatever its author wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.agreement.explaining import suggestion

LINES_SHOWN = 50
"""So many alerts of a message are in `lines`; `more` counts the others."""
MESSAGE_AT_MOST = 100_000
"""Characters of a message as it is written; mail servers take ten times as much, chats cut earlier."""
SUBJECT_WRITTEN_AT_MOST = 200
_DEPTH_AT_MOST = 40

Shape = Mapping[str, Any] | list[Any] | None
"""What a value is: named parts, a list of one shape, or a text or number."""

_FILTERS = ("upper", "lower", "capitalize", "title", "trim", "truncate", "default", "length", "first", "last", "in_zone")
_KEEPS_SHAPE = ("default", "trim")
_LOOP: Shape = {"index": None, "first": None, "last": None, "length": None}


class TemplateFailed(ValueError):
    """It could not be written with these values."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a template."""

    line: int
    """In the template, from 1."""
    message: str
    remedy: str


class Moment(str):
    """An instant as text in UTC, empty for none; `in_zone` knows the instant itself."""

    __slots__ = ("at",)
    at: datetime | None

    def __new__(cls, at: datetime | None) -> Moment:
        text = super().__new__(cls, "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
        text.at = at
        return text


def variables(personal: Iterable[str]) -> Mapping[str, Shape]:
    """What a template may name. personal: the fields of the person that the agreement allows it."""
    line = dict.fromkeys(LINE_FIELDS) | {"person": dict.fromkeys(personal)}
    return {
        "lines": [line],
        "count": None,
        "more": None,
        "counts": [{"number": None, "what": None}],
        "recipient": None,
        "alert_id": None,
        "desk_url": None,
    }


LINE_FIELDS = (
    "alert_id", "kind", "what", "lead_id", "because", "rep", "team", "clock", "grade", "score", "buying_stage", "deadline",
    "happened", "probability", "meant_for", "escalation", "open", "accept", "reject",
)  # fmt: skip
"""What is known of one alert; `open`, `accept` and `reject` are links, empty where there is none."""


def faults(source: str, personal: Iterable[str]) -> list[Fault]:
    """Everything that is wrong with a template; none: it can be written."""
    try:
        tree = _ENVIRONMENT.parse(source)
    except jinja2.TemplateSyntaxError as error:
        return [Fault(error.lineno, f"this is no template: {error.message}", "Check the {{ }} and {% %} on this line.")]
    except RecursionError:
        return [_TOO_DEEP]
    walk = _Walk()
    walk.block(tree.body, dict(variables(personal)), in_loop=False)
    return walk.found


def write(source: str, words: Mapping[str, Any], at_most: int = MESSAGE_AT_MOST) -> str:
    """The text. at_most: its characters. Raises TemplateFailed."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in _compiled(source).generate(**words):
            size += len(piece)
            if size > at_most:
                raise TemplateFailed(f"it is longer than {at_most:,} characters")
            pieces.append(piece)
    except (jinja2.TemplateError, TypeError, ValueError, KeyError, SyntaxError, RecursionError, MemoryError) as error:
        if isinstance(error, TemplateFailed):
            raise
        raise TemplateFailed((str(error) or type(error).__name__)[:200]) from error
    return "".join(pieces)


def write_subject(source: str, words: Mapping[str, Any]) -> str:
    """The same in one line. Raises TemplateFailed."""
    return " ".join(write(source, words, 50 * SUBJECT_WRITTEN_AT_MOST).split())[:SUBJECT_WRITTEN_AT_MOST]


def zone_exists(name: object) -> bool:
    """Whether there is a time zone of that name."""
    try:
        ZoneInfo(name)  # type: ignore[arg-type]
    except (KeyError, ValueError, OSError, TypeError):
        return False
    return True


def _in_zone(value: str, zone: str) -> str:
    at = getattr(value, "at", None)
    return value if at is None else f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True)
    made.globals = {}
    made.filters = {name: made.filters[name] for name in _FILTERS if name in made.filters} | {"in_zone": _in_zone}
    made.tests = {}
    return made


_ENVIRONMENT = _environment()
_TOO_DEEP = Fault(1, "it is nested too deeply", "Write it plainer.")


@lru_cache(maxsize=256)
def _compiled(source: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(source)


@dataclass
class _Walk:
    """Goes through a template, knowing what each value is."""

    found: list[Fault] = field(default_factory=list)

    def block(self, body: Iterable[nodes.Node], scope: dict[str, Shape], *, in_loop: bool, depth: int = 0) -> None:
        for node in body:
            if depth > _DEPTH_AT_MOST:
                self._deep()
            elif isinstance(node, nodes.Output):
                for part in node.nodes:
                    self._shown(part, scope)
            elif isinstance(node, nodes.If):
                self.value(node.test, scope)
                branches = [*node.body, *node.else_], node.elif_
                for branch in branches:
                    self.block(branch, scope, in_loop=in_loop, depth=depth + 1)
            elif isinstance(node, nodes.For):
                self._loop(node, scope, in_loop=in_loop, depth=depth)
            else:
                self._refuse(node, f"{_plain(node)} is not allowed in a message", "Use text, {{ values }}, {% if %} and {% for %}.")

    def _loop(self, node: nodes.For, scope: dict[str, Shape], *, in_loop: bool, depth: int) -> None:
        if in_loop:
            self._refuse(node, "a loop is inside of a loop", "Put one after the other.")
            return
        over = self.value(node.iter, scope)
        if not isinstance(over, list) or not isinstance(node.target, nodes.Name) or node.recursive:
            self._refuse(node, "a loop goes over something that is no list", "Loop as in {% for line in lines %}.")
            return
        inner = {**scope, node.target.name: over[0], "loop": _LOOP}
        if node.test is not None:
            self.value(node.test, inner)
        self.block(node.body, inner, in_loop=True, depth=depth + 1)
        self.block(node.else_, scope, in_loop=True, depth=depth + 1)

    def _shown(self, node: nodes.Node, scope: dict[str, Shape]) -> None:
        if isinstance(node, nodes.TemplateData):
            return
        before = len(self.found)
        if self.value(node, scope) is not None and len(self.found) == before:
            self._refuse(node, "a list or a group of values cannot be shown as it is", "Name one of its values, as in {{ lines[0].rep }}.")

    def value(self, node: Any, scope: dict[str, Shape], depth: int = 0) -> Shape:
        """What the expression is. Says what is wrong with it."""
        reader = _READERS.get(type(node))
        if depth > _DEPTH_AT_MOST:
            self._deep()
            return None
        if reader is None:
            self._refuse(node, f"{_plain(node)} is not allowed in a message", "Use values, comparisons and the filters " + ", ".join(_FILTERS) + ".")
            return None
        return reader(self, node, scope, depth + 1)

    def name(self, node: nodes.Name, scope: dict[str, Shape], depth: int) -> Shape:
        return self._part(node, node.name, scope, "there is no variable {!r}")

    def getattr(self, node: nodes.Getattr, scope: dict[str, Shape], depth: int) -> Shape:
        return self._inside(node, self.value(node.node, scope, depth), node.attr)

    def getitem(self, node: nodes.Getitem, scope: dict[str, Shape], depth: int) -> Shape:
        of = self.value(node.node, scope, depth)
        if isinstance(node.arg, nodes.Slice):
            for end in (node.arg.start, node.arg.stop, node.arg.step):
                if end is not None:
                    self.value(end, scope, depth)
            return of
        if not isinstance(node.arg, nodes.Const):
            self._refuse(node, "what stands in [ ] must be written out", "Write a number or a name, as in lines[0].")
            return None
        if isinstance(of, list) and isinstance(node.arg.value, int):
            return _one_of(of)
        return self._inside(node, of, str(node.arg.value))

    def filtered(self, node: nodes.Filter, scope: dict[str, Shape], depth: int) -> Shape:
        of = self.value(node.node, scope, depth)
        if node.name not in _FILTERS:
            meant = suggestion(node.name, list(_FILTERS))
            remedy = f"Did you mean {meant}?" if meant else f"There are {', '.join(_FILTERS)}."
            self._refuse(node, f"the filter {node.name} is not allowed in a message", remedy)
            return None
        for argument in (*node.args, *(pair.value for pair in node.kwargs)):
            if not isinstance(argument, nodes.Const):
                self._refuse(node, f"what the filter {node.name} is given must be written out", "Write a number or a text.")
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            self._refuse(node, f"what the filter {node.name} is given must be written out", "Write a number or a text.")
        if node.name == "in_zone" and not (len(node.args) == 1 and zone_exists(getattr(node.args[0], "value", None))):
            self._refuse(node, "in_zone needs the name of a time zone", 'Write it as in {{ line.deadline | in_zone("Europe/Berlin") }}.')
        if node.name in ("first", "last") and isinstance(of, list):
            return _one_of(of)
        return of if node.name in _KEEPS_SHAPE else None

    def both(self, node: Any, scope: dict[str, Shape], depth: int) -> Shape:
        """An expression of others that is a plain value itself."""
        for part in _parts(node):
            self.value(part, scope, depth)
        return None

    def _inside(self, node: nodes.Node, of: Shape, name: str) -> Shape:
        if isinstance(of, dict):
            return self._part(node, name, of, "there is no {!r} here")
        if of is not None or not self.found or self.found[-1].line != node.lineno:
            self._refuse(node, f"there is no {name!r} here", "Loop over a list first, as in {% for line in lines %}; a text has no parts.")
        return None

    def _part(self, node: nodes.Node, name: str, known: Mapping[str, Shape], message: str) -> Shape:
        if name in known:
            return known[name]
        meant = suggestion(name, list(known))
        has = f"There are {', '.join(known)}." if known else "List it under personal of this template, if both departments want it said."
        if name in _PERSONAL and known and set(known) <= _PERSONAL:
            has = f"List {name} under personal of this template, if both departments want it said."
        self._refuse(node, message.format(name), f"Did you mean {meant}?" if meant else has)
        return None

    def _refuse(self, node: nodes.Node, message: str, remedy: str) -> None:
        self.found.append(Fault(node.lineno or 1, message, remedy))

    def _deep(self) -> None:
        if _TOO_DEEP not in self.found:
            self.found.append(_TOO_DEEP)


def _one_of(listed: list[Shape]) -> Shape:
    return listed[0]


def _constant(walk: _Walk, node: Any, scope: dict[str, Shape], depth: int) -> Shape:
    return None


_PERSONAL = frozenset({"email", "phone", "name", "company", "country", "message", "external_ids"})
_READERS: dict[type, Callable[[_Walk, Any, dict[str, Shape], int], Shape]] = {
    nodes.Const: _constant,
    nodes.Name: _Walk.name,
    nodes.Getattr: _Walk.getattr,
    nodes.Getitem: _Walk.getitem,
    nodes.Filter: _Walk.filtered,
    **dict.fromkeys((nodes.Compare, nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.CondExpr), _Walk.both),
}


def _parts(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child.expr if isinstance(child, nodes.Operand) else child


def _plain(node: nodes.Node) -> str:
    return f"{type(node).__name__.lower()!r}"
