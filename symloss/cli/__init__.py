"""The command line. Opening it imports click alone; each command imports what it needs when it runs."""

from symloss.cli.main import main

__all__ = ["main"]
