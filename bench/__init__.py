"""What tracecollect costs, measured on this machine: `make bench`, or `python -m bench --help`."""
