"""`python -m tracecollect` is `tracecollect`."""

from tracecollect.cli import main

main()
