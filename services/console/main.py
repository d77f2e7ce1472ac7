"""The `leadloop` command: every subcommand, its help, and how its refusals are told."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError

from services.console import (
    account_commands,
    agreement_commands,
    attribution_commands,
    audience_commands,
    backtest_commands,
    clock_commands,
    import_commands,
    learn_commands,
    letter_commands,
    loop_commands,
    mute_commands,
    review_commands,
    roster_commands,
    route_commands,
    score_commands,
    try_commands,
    webhook_commands,
)
from services.console.broker.faults import BrokerUnavailable
from services.console.datafolder import DataFolderUnusable
from services.console.house import Wishes, ask_to_scale
from services.console.options import AsJson, Data, folder_of, numbers_by_service
from services.console.terminal import EXIT_REFUSED, EXIT_WRONG_USAGE, BadInput, Refused, complain

app = typer.Typer(
    name="leadloop", no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="A closed loop between marketing and sales: a lead travels from a form to a rep, "
    "and what becomes of it travels back.",
    epilog="An installation is found by --data, else by LEADLOOP_DATA_DIR, else in ./leadloop-data, "
    "else in the user's data folder.",
)  # fmt: skip
app.add_typer(agreement_commands.app, name="agreement")
app.add_typer(roster_commands.app, name="roster")
app.add_typer(account_commands.app, name="accounts")
app.add_typer(account_commands.reps, name="rep")
app.add_typer(letter_commands.app, name="dead-letters")
app.add_typer(webhook_commands.app, name="webhooks")
app.add_typer(learn_commands.app, name="learn")
app.add_typer(route_commands.app, name="route")
loop_commands.add_to(app)
score_commands.add_to(app)
backtest_commands.add_to(app)
clock_commands.add_to(app)
mute_commands.add_to(app)
audience_commands.add_to(app)
attribution_commands.add_to(app)
review_commands.add_to(app)
import_commands.add_to(app)
try_commands.add_to(app)


@app.command()
def up(
    data: Data = None,
    agreement: Annotated[
        Path | None,
        typer.Option(help="The first agreement of a new installation (YAML); the default sample otherwise."),
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(help="Who is in which team (YAML); without it, x-roster.yaml beside the agreement x.yaml, once."),
    ] = None,
    ports: Annotated[
        str | None,
        typer.Option(help="'auto' for free ports, or the first of three in a row; else 8600 to 8602, or those it had."),
    ] = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Partitions of a new installation's topics; fixed from then on.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="What a new installation's topics begin with, on a Kafka shared with others.")
    ] = None,
    scale: Annotated[
        list[str] | None, typer.Option(help="Several workers of a service, such as scoring=2; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start everything and keep it running until Ctrl-C: the broker, the topics, every service as a process of its own.

    The broker is the one of KAFKA_BOOTSTRAP_SERVERS, else Docker's apache/kafka, else an embedded Apache Kafka run by
    this machine's Java. A second `up` on the same folder carries on where the first one ended, however it ended.
    """
    from services.console.up import up as run_up

    wishes = Wishes(
        folder_of(data), agreement, roster, _ports(ports), partitions, namespace, numbers_by_service(scale or [])
    )
    asyncio.run(run_up(wishes, as_json))


@app.command()
def demo(
    data: Data = None,
    stay: Annotated[
        bool | None, typer.Option("--stay/--end", help="Whether to stay up afterwards; on a terminal it does.")
    ] = None,
    pace: Annotated[float, typer.Option(min=0.2, max=10, help="How fast the day goes by: 2 is twice as fast.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Play a working day of a company in about a minute on an installation of its own, and sum it up.

    Exits 0 only when the audit is clean. On a terminal it then stays up, so that one can play along.
    """
    from services.console.demo.play import demo as play

    stays = sys.stdout.isatty() and not as_json if stay is None else stay
    if not asyncio.run(play(data, stay=stays, pace=pace, as_json=as_json)):
        raise typer.Exit(EXIT_REFUSED)


@app.command()
def scale(
    numbers: Annotated[list[str], typer.Argument(help="Such as scoring=3; what is not named stays as it is.")],
    data: Data = None,
) -> None:
    """Run more or fewer workers of a service, while the installation runs."""
    from services.console.installation import Installation

    ask_to_scale(Installation.find(folder_of(data)), numbers_by_service(numbers))


@app.command()
def run(service: Annotated[str, typer.Argument(help="Such as scoring.")], data: Data = None) -> None:
    """Run one service in the foreground, as `python -m services.SERVICE` does.

    By LEADLOOP_* variables alone, or as one more worker of the installation that runs in --data.
    """
    from services.console.one_service import run as run_one

    run_one(service, data)


@app.command()
def doctor(data: Data = None, as_json: AsJson = False) -> None:
    """Say what this machine has, what is missing, and what to do about it. Exits 1 when leadloop cannot run here."""
    from services.console.doctor import doctor as examine

    raise typer.Exit(examine(as_json, data))


@app.command()
def prepare(
    agreement: Annotated[
        Path | None, typer.Option(help="The first agreement (YAML); the default sample otherwise.")
    ] = None,
    data: Data = None,
) -> None:
    """Make the topics and publish the first agreement, once; for installations whose services are started by others.

    By LEADLOOP_* variables, as in docker-compose.yml. Waits for the broker; what is there already stays.
    """
    from services.console.broker import ExternalBroker
    from services.console.first_agreement import choose, settle
    from services.console.house import lay_out
    from services.console.options import settings_by

    settings = settings_by(data)
    asyncio.run(ExternalBroker(settings.bootstrap_servers).start())
    asyncio.run(lay_out(settings))
    first = asyncio.run(settle(settings, choose(agreement) if agreement is not None else None))
    print("the topics are there, and the first agreement is published" if first else "all of it was there already")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Measure the loop and its engine (ratios in one run, medians); all further words go to the benchmarks."""
    if not (Path.cwd() / "benchmarks" / "__main__.py").exists():
        raise Refused("the benchmarks are not here; run this in the source folder of leadloop")
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *context.args])


def _ports(text: str | None) -> str | int | None:
    from services.console.wanted_ports import parse_ports

    try:
        return parse_ports(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--ports") from None


def main() -> NoReturn:
    """Run the command; a refusal is one sentence on stderr.

    Exits 0 when all is well, 1 when something was refused or is not well, 2 for wrong usage, 130 when interrupted.
    """
    _keep_quiet()
    try:
        code = app(standalone_mode=False, prog_name="leadloop")
    except NoArgsIsHelpError as help_wanted:
        print(help_wanted.format_message(), file=sys.stderr)
        raise SystemExit(EXIT_WRONG_USAGE) from None
    except ClickException as wrong:
        sentence = wrong.format_message().rstrip(".").replace("\n", " ")
        complain(f"{sentence[:1].lower()}{sentence[1:]}; see {_command_of(wrong)} --help")
        raise SystemExit(EXIT_WRONG_USAGE) from None
    except BadInput as refusal:
        complain(str(refusal))
        raise SystemExit(EXIT_WRONG_USAGE) from None
    except (Refused, BrokerUnavailable, DataFolderUnusable) as refusal:
        _refuse(str(refusal))
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def _keep_quiet() -> None:
    """What the libraries say of a broker that is just coming up is no news to the person at the terminal."""
    logging.basicConfig(level=logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _refuse(sentence: str) -> NoReturn:
    complain(sentence)
    raise SystemExit(EXIT_REFUSED)


def _command_of(wrong: ClickException) -> str:
    context = getattr(wrong, "ctx", None)
    return str(context.command_path) if context is not None else "leadloop"


if __name__ == "__main__":
    main()
