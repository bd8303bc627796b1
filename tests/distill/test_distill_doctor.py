"""What `symloss doctor` says."""

import json
import sys

from click.testing import CliRunner

from symloss import __version__
from symloss.cli import main


def test_the_doctor_names_versions_and_what_to_type():
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    assert __version__ in result.output
    assert "torch" in result.output
    assert "data folder" in result.output
    found = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).output)
    for name in ("pysr", "julia", "cuda"):
        assert found[name]["found"] or found[name]["advice"]
    assert "juliacall" not in sys.modules
