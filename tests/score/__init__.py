"""Accuracy as a number: every labelled recording, and the simulated worlds, judged and compared with the truth."""
