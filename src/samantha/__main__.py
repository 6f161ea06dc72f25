"""`python -m samantha` is the command `samantha`."""

from samantha.surfaces.entry import main

main()
