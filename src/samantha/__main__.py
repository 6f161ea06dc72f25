"""`python -m samantha` is the command `samantha`."""

from samantha.surfaces.cli import main

main()
