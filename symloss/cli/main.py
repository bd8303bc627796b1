"""The `symloss` command and how its errors are shown."""

from __future__ import annotations

import importlib
from typing import Any

import click

from symloss import __version__
from symloss.cli.terminal import plain_warnings, shown, unharmed
from symloss.errors import SymlossError, did_you_mean

COMMANDS = {
    "search": "Search for a loss function.",
    "train-loss": "Learn a loss that is a network (ML3, AdaLFL).",
    "distill": "Fit formulas to a loss: from a network to a formula.",
    "resume": "Go on with what was interrupted: a search, an evaluation, a learned loss.",
    "show": "Show the candidates of a search, best first.",
    "analyze": "Explain what a loss does in training.",
    "evaluate": "Compare losses under one budget.",
    "score": "Print one number for a loss, for other programs.",
    "benchmark": "Run a suite of searches and evaluations.",
    "export": "Write a loss as standalone code or LaTeX.",
    "verify": "Check that exported files compute what they say.",
    "fewshot": "Learn from many small tasks how to learn a new one from few examples.",
    "gallery": "Write the losses of the catalogue in every language.",
    "doctor": "Say what is installed, and what to type if something is missing.",
    "data": "Fetch published data sets, or list them.",
    "import": "Read an exported file back into a formula.",
}


def _module_of(command: str) -> str:
    """The module of a command; 'import' is a word of Python."""
    return "import_" if command == "import" else command.replace("-", "_")


class LazyGroup(click.Group):
    """Finds a command in `symloss.cli.<name>` when it is called for; lists them all without importing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"symloss.cli.{_module_of(cmd_name)}"), "command")  # noqa: B009
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command '{args[0]}': {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error that a user can cause becomes one message and exit status 1."""
        try:
            return super().invoke(ctx)
        except SymlossError as error:
            raise click.ClickException(shown(str(error))) from None
        except click.ClickException as error:
            raise unharmed(error) from None

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments that stand before the command."""
        try:
            return super().make_context(*args, **kwargs)
        except click.ClickException as error:
            raise unharmed(error) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="symloss")
def main() -> None:
    """Find loss functions by search and hand them over as code.

    \b
      symloss search --task digits --label-noise 0.4 --out runs/first
      symloss show runs/first
      symloss export runs/first --format torch
    """  # noqa: D301 -- click wants the character \b
    click.get_current_context().with_resource(plain_warnings())
