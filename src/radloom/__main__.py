"""`python -m radloom` is the command `radloom`."""

from radloom.cli import main

main()
