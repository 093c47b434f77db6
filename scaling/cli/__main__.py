"""`python -m scaling.cli`: the command line without its entry point."""

from scaling.cli import main

main(prog_name="climber")
