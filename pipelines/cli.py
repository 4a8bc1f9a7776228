"""The command `crosswalk`. Each command is a module under `pipelines/commands/`, named as the command.

A module is imported only when its command is called: Great Expectations and Splink cost seconds, and most commands
need neither.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS = {
    "run": "Take connections the whole way: pull, translate, unify, check, publish, push",
    "plan": "Show what a push would write, and why; nothing is written",
    "apply": "Push: write what the plan says",
    "revert": "Undo what a run wrote to a CRM",
    "failures": "List writes that did not come through",
    "retry": "Try failed writes again at the next push, and webhooks that were set aside",
    "pilot": "For the time being, push only some records of a connection",
    "pause": "Write nothing to a connection until it is resumed",
    "never": "Records of a connection that are never written",
    "match": "Who is who: review, answer, explain, pin, evaluate",
    "check": "Check mappings and schemas, or (--data) the data",
    "test": "Log in to a CRM and read one record",
    "new": "Draft a mapping for a new CRM from a sample of its records",
    "show": "Show connections, last runs and open failures",
    "backup": "Write states, raw logs and what is published into one file",
    "restore": "Put a backup back",
    "tidy": "Drop what is no longer needed: old versions, files, history",
    "alerts": "Tell the operator what has gone wrong since the last time",
    "forget": "Erase a person: history, warehouse, ledger, published files, search",
    "serve": "Serve user sync, the unified CRM, connectors, webhooks and schedules over HTTP",
    "rotate-key": "Seal stored credentials with the current ENCRYPTION_KEY",
    "sandbox": "Serve the built-in CRMs until stopped",
}


class _Lazy(TyperGroup):
    """Lists every command, imports only the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pipelines.commands.{cmd_name.replace('-', '_')}_command")
        command = get_command(module.app)
        command.name = cmd_name
        command.help = command.help or COMMANDS[cmd_name]
        command.short_help = COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the list from COMMANDS: asking each command for its help would import them all."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=_Lazy, no_args_is_help=True, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def crosswalk() -> None:
    """Your CRMs in, golden records out and back."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; ends the process with one of the codes in `pipelines/commands/exits.py`."""
    try:
        app(list(sys.argv[1:] if arguments is None else arguments), prog_name="crosswalk")
    except Exception as fault:  # noqa: BLE001 - the last place that can still tell it without secrets
        from pipelines.commands.failures import told

        code, text = told(fault)
        print(text, file=sys.stderr)
        sys.exit(code)
