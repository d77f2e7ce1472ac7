"""YAML as plain data with the line of every key: numbers stay exact, and what YAML lets pass in silence is found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from schemas.agreement.findings import Finding

Path = tuple[str | int, ...]
CHARACTERS_AT_MOST = 500_000
"""Several thousand rules; reading more would keep everybody waiting."""
NODES_AT_MOST = 200_000
DEPTH_AT_MOST = 40
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})")
_DECIMAL = re.compile(r"[-+]?[0-9]{1,30}\.[0-9]{0,30}|[-+]?\.[0-9]{1,30}")


@dataclass(slots=True)
class Document:
    """What was read, where each piece stands, and what was wrong with the YAML itself."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    blocks: set[Path] = field(default_factory=set)
    """Texts that begin on the line after their key (`|`), so that their lines are the file's."""

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest piece around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def spell(path: Path) -> str:
    """A path as people write it: `clocks[0].within`."""
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else str(step)
    return out


def read(text: str) -> Document:
    """`text` as data. Never raises: what is wrong is in `findings`, and `data` is None if nothing could be read."""
    document = Document(None)
    if not text.strip():
        document.findings.append(
            Finding(
                "error",
                "empty_file",
                "",
                1,
                "the file is empty.",
                "Start from deploy/agreements/default.yaml.",
                "name: default",
            )
        )
        return document
    if len(text) > CHARACTERS_AT_MOST:
        document.findings.append(
            Finding(
                "error",
                "too_large",
                "",
                1,
                f"the file has {len(text)} characters, and {CHARACTERS_AT_MOST} are the limit.",
                "Take out what is no agreement: lists of customers or campaigns belong elsewhere.",
            )
        )
        return document
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        document.findings.append(_syntax(text, error))
        return document
    except RecursionError:
        document.findings.append(_broken(1, "it is nested too deeply"))
        return document
    except (YAMLError, ValueError) as error:
        document.findings.append(_broken(1, (str(error).splitlines() or ["it cannot be read"])[0]))
        return document
    if node is None:
        document.findings.append(
            Finding(
                "error",
                "empty_file",
                "",
                1,
                "the file holds only comments.",
                "Start from deploy/agreements/default.yaml.",
                "name: default",
            )
        )
        return document
    document.data = _Reader(document).value(node, (), 0)
    return document


def _broken(line: int, problem: str) -> Finding:
    return Finding(
        "error",
        "yaml_syntax",
        "",
        line,
        f"this is no YAML: {problem}.",
        "Check indentation, colons, quotes and brackets on this line and the one above.",
        "name: default",
    )


def _syntax(text: str, error: MarkedYAMLError) -> Finding:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark is not None else 1
    lines = text.splitlines()
    for number in (line, line - 1):
        if 0 < number <= len(lines) and re.match(r"[ ]*\t", lines[number - 1]):
            return Finding(
                "error",
                "tab",
                "",
                number,
                "the line is indented with a tab.",
                "Indent with blanks; YAML does not take tabs.",
                "  title: Sales",
            )
    return _broken(
        min(line, max(len(lines), 1)), " ".join(str(error.problem or error.context or "it cannot be read").split())
    )


class _Reader:
    """Walks the nodes of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0
        self.gave_up = False
        """Whether it was said that the file is too large: once is enough."""

    def value(self, node: Node, path: Path, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > NODES_AT_MOST or depth > DEPTH_AT_MOST:
            if not self.gave_up:
                message = "the file is nested too deeply or refers to itself."
                self._find(node, path, "too_large", message, "Write out what is repeated.", "")
            self.gave_up = True
            return None
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, ScalarNode):
            if node.style == "|":
                self.document.blocks.add(path)
            return self._scalar(node)
        return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                self._find(
                    key_node,
                    path,
                    "bad_key",
                    "the key is no plain word.",
                    "Write the keys out, without << and brackets.",
                    "id: size",
                )
                continue
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in out:
                first = self.document.line((*path, key))
                self._find(
                    key_node,
                    (*path, key),
                    "duplicate_key",
                    f"the key {key} is there twice, first on line {first}.",
                    "Keep one of the two; YAML would silently drop the other.",
                    "",
                )
                continue
            self.document.lines[*path, key] = line
            out[key] = self.value(value_node, (*path, key), depth + 1)
        return out

    def _scalar(self, node: ScalarNode) -> Any:
        text = node.value
        if node.style in ("'", '"', "|", ">"):
            return text
        if node.tag == "tag:yaml.org,2002:null":
            return None
        if node.tag == "tag:yaml.org,2002:bool":
            return text.lower() == "true"
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return Decimal(text)
        return text

    def _find(self, node: Node, path: Path, code: str, message: str, remedy: str, example: str) -> None:
        self.document.findings.append(
            Finding("error", code, spell(path), node.start_mark.line + 1, message, remedy, example)
        )


def at(data: Any, path: Path) -> Any:
    """The piece of `data` at `path`, or None."""
    for step in path:
        if isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data
