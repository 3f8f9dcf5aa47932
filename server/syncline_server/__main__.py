"""`python -m syncline_server`: the command `syncline`."""

from .cli import main

main()
