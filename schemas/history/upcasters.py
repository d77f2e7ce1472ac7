"""Lifting old versions of events: one pure function a version, each one step up.

This module imports nothing of ours, because `schemas.wire` needs it to decode. To retire version 1 of an event: raise
`version` in its class to 2, write here the function that turns version 1's content into version 2's, and put it into
`UPCASTERS` under the old `ce_type`. The frozen example of version 1 must still decode; `tests/schemas` checks it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Content = dict[str, Any]
Upcaster = Callable[[Content], tuple[str, Content]]

UPCASTERS: dict[str, Upcaster] = {}
"""Old `ce_type` -> a function that lifts its content one version up and names the newer type."""


def lift(type_name: str, content: Content) -> tuple[str, Content]:
    """The newest version of an old event's content, with its `ce_type`; what needs no lifting comes back as it is."""
    while type_name in UPCASTERS:
        type_name, content = UPCASTERS[type_name](content)
    return type_name, content
