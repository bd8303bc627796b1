"""`symloss doctor`: what is installed."""

from __future__ import annotations

import click

from symloss.cli.terminal import echo


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead.")
def command(as_json: bool) -> None:
    """Say what is installed, and what to type if something is missing.

    Julia is looked for and not started.
    """
    import json

    from symloss.installed import findings

    rows = findings()
    if as_json:
        echo(json.dumps({row.name: {"found": row.found, "advice": row.advice} for row in rows}, indent=2))
        return
    width = max(len(row.name) for row in rows)
    for row in rows:
        advice = f"  ({row.advice})" if row.advice else ""
        echo(f"{row.name:{width}}  {row.found or 'not there'}{advice}")
