"""Help texts, compared with the files in `golden/`.

After an intended change: SYMLOSS_REFRESH=1 pytest tests/cli/test_cli_help.py, and look at the difference.
"""

import os
from pathlib import Path

import pytest
from cli_helpers import succeed

from symloss import __version__
from symloss.cli.main import COMMANDS

GOLDEN = Path(__file__).parent / "golden"
HELP = {"symloss": "--help", **{name: f"{name} --help" for name in COMMANDS}}


@pytest.mark.parametrize("name", HELP)
def test_help_is_as_it_was(name):
    path = GOLDEN / f"{name}.txt"
    shown = succeed(HELP[name])
    if os.environ.get("SYMLOSS_REFRESH"):
        path.write_text(shown)
    assert shown == path.read_text()


def test_golden_files_belong_to_commands():
    assert {path.stem for path in GOLDEN.iterdir()} == set(HELP)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_the_same_of_itself_as_the_list(name):
    """The list of commands is written twice, so that opening it imports none of them."""
    assert COMMANDS[name].split()[0] in succeed(f"{name} --help").split()


def test_help_is_asked_for_in_two_ways():
    assert succeed("-h") == succeed("--help")


def test_the_version_is_that_of_the_package():
    assert succeed("--version") == f"symloss, version {__version__}\n"
