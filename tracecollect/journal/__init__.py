"""What was accepted and is not stored yet: a SQLite file that the receivers fill and the pipeline empties.

One writer thread per process takes everything that waits, writes it in one transaction and answers everybody
(group commit): an fsync costs the same for one request and for sixty. Numbers of entries only grow, also across
restarts and empty journals, so a batch's token never comes twice.
"""

from tracecollect.journal.reader import JournalReader
from tracecollect.journal.writer import JournalWriter

__all__ = ["JournalReader", "JournalWriter"]
