"""python -m helpers: the press's command line."""

import sys

try:
    from helpers.press.cli import main
except KeyboardInterrupt:  # the imports take a second
    sys.exit("Aborted!")

main(prog_name="python -m helpers")
