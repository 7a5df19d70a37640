"""python -m helpers: the press's command line."""

from helpers.press.cli import main

main(prog_name="python -m helpers")
