"""docker-compose.yml brings up the same services that `leadloop up` does, each told what it must be told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from services.console.environment import DOORS
from services.runtime.main import SERVICES
from services.runtime.settings import Settings

ROOT = Path(__file__).parents[3]
FURTHER = {"kafka", "postgres", "prepare", "roster", "console"}


@pytest.fixture
def compose() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "docker-compose.yml").read_text())
    return document


def defaults(environment: dict[str, str]) -> dict[str, str]:
    """The variables as Compose makes them where nothing is set."""
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value) for name, value in environment.items()}


def test_there_is_one_container_for_each_service(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == set(SERVICES) | FURTHER
    for service in SERVICES:
        assert compose["services"][service]["command"] == [f"services.{service}"]


def test_each_service_is_told_all_that_its_settings_demand(compose: dict[str, Any]) -> None:
    image = dict(re.findall(r"(LEADLOOP_\w+)=(\S+)", (ROOT / "deploy/docker/Dockerfile").read_text()))
    for service in (*SERVICES, "prepare", "roster", "console"):
        settings = Settings.from_environment(image | defaults(compose["services"][service]["environment"]))
        assert settings.bootstrap_servers == "kafka:9092"
        assert (settings.host, settings.port) == ("0.0.0.0", 8600)
        assert settings.database("ledger").startswith("postgresql+psycopg://")


def test_the_doors_are_where_the_pages_say(compose: dict[str, Any]) -> None:
    for door in DOORS:
        (published,) = compose["services"][door]["ports"]
        host, port, _ = published.split(":")
        assert host == "127.0.0.1", "without TLS the doors are for this machine alone"
        told = defaults(compose["services"][door]["environment"])[f"LEADLOOP_{door.upper()}_URL"]
        assert told == f"http://localhost:{port}"


def test_the_commands_knock_at_the_doors_from_inside(compose: dict[str, Any]) -> None:
    for service in ("roster", "console"):
        told = compose["services"][service]["environment"]
        assert {told[f"LEADLOOP_{door.upper()}_URL"] for door in DOORS} == {f"http://{door}:8600" for door in DOORS}
    assert compose["services"]["console"]["profiles"], "it runs on demand, not with `docker compose up`"


def test_nothing_starts_before_what_it_stands_on(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["prepare"]["depends_on"] == {"kafka": {"condition": "service_healthy"}}
    for service in SERVICES:
        assert services[service]["depends_on"]["prepare"] == {"condition": "service_completed_successfully"}
    for needed in ("kafka", "postgres"):
        assert services[needed]["healthcheck"]["test"]


def test_the_files_that_the_containers_name_are_in_the_image(compose: dict[str, Any]) -> None:
    named = [
        word
        for service in compose["services"].values()
        for word in service.get("command", [])
        if word.endswith(".yaml")
    ]
    assert named
    for file in named:
        assert (ROOT / file).exists()
        assert file.startswith("deploy/agreements/"), "the Dockerfile copies no other folder of deploy"
