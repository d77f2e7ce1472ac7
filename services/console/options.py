"""The options that commands share, and how an installation is found by them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from services.console.doors import Doors
from services.console.environment import default_folder, settings_of
from services.console.house import state_of
from services.console.installation import Installation
from services.console.terminal import Refused
from services.runtime.settings import Settings, SettingsRefused

Data = Annotated[Path | None, typer.Option("--data", help="The data folder of the installation.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def folder_of(data: Path | None) -> Path:
    """The data folder that is meant."""
    return data if data is not None else default_folder()


def doors_of(data: Path | None) -> Doors:
    """The doors of the installation that is meant. Raises Refused.

    Those of LEADLOOP_*_URL, when they are set and no folder is named.
    """
    if data is None and (doors := Doors.from_environment()) is not None:
        return doors
    installation = Installation.find(folder_of(data))
    if state_of(installation) is None:
        raise Refused(
            f"the installation in {installation.folder} does not run; start it: leadloop up --data "
            f"{installation.folder}"
        )
    return Doors.of(installation)


def settings_by(data: Path | None) -> Settings:
    """What the console needs to speak to the broker of the installation that is meant. Raises Refused."""
    if data is None and {"LEADLOOP_BOOTSTRAP_SERVERS", "LEADLOOP_SECRET"} <= os.environ.keys():
        try:
            return Settings.from_environment(os.environ)
        except SettingsRefused as refusal:
            raise Refused(str(refusal)) from refusal
    installation = Installation.find(folder_of(data))
    return settings_of(installation, bootstrap_servers_of(installation), installation.ports)


def bootstrap_servers_of(installation: Installation) -> str:
    """Where the broker of an installation is. Raises Refused when it does not run."""
    state = state_of(installation)
    if state is not None:
        return str(state["kafka"])
    if named := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return named
    raise Refused(
        f"the installation in {installation.folder} does not run; start it: leadloop up --data {installation.folder}"
    )


def numbers_by_service(words: list[str]) -> dict[str, int]:
    """`["scoring=2"]` as numbers. Raises BadParameter."""
    numbers = {}
    for word in words:
        service, sign, number = word.partition("=")
        if not sign or not number.isdigit() or not 1 <= int(number) <= 64:
            raise typer.BadParameter(
                f"{word!r} is not SERVICE=NUMBER with a number from 1 to 64, such as scoring=2", param_hint="scale"
            )
        numbers[service] = int(number)
    return numbers


def one_line(value: object) -> str:
    """A value of any kind in one line, for tables."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
