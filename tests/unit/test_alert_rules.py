"""The alert rules for operators speak of metrics, labels and events that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from schemas import topics
from services.runtime.metrics import REGISTRY

RULES = yaml.safe_load(Path("deploy/prometheus/alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
_KINDS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_every_metric_of_a_rule_exists_and_the_rule_says_what_to_do(rule: dict[str, object]) -> None:
    known = {metric.name + end for metric in REGISTRY.collect() for end in _KINDS[metric.type]}
    named = set(re.findall(r"leadloop_\w+", str(rule["expr"])))
    assert named <= known
    assert named or "up{" in str(rule["expr"])
    assert {"summary", "what_to_do"} == set(rule["annotations"])  # type: ignore[call-overload]


def test_events_in_rules_are_events() -> None:
    patterns = {p for rule in RULES for p in re.findall(r'[{,]type=~"([^"]+)"', rule["expr"])}
    assert patterns
    assert all(any(re.fullmatch(p, name) for name in topics.by_type_name()) for p in patterns)
