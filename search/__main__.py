"""`python -m search`: the command line, where it is not installed."""

from search.cli import main

main()
