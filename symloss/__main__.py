"""`python -m symloss` is the `symloss` command."""

from symloss.cli import main

main()
