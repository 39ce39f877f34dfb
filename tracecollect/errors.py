"""Every error that tracecollect raises on purpose, as one tree.

    TracecollectError              has a message and a hint; the CLI prints both and exits 2
    ├── UsageError                 what the person asked for does not make sense
    ├── SettingsError              a setting is unknown, malformed or dangerous
    ├── MissingExtra               the command needs packages that are not installed
    ├── NotFound                   no trace, finding or pool of that name
    │   └── Ambiguous              the prefix fits several; carries the candidates
    ├── StoreError                 the store could not answer or could not write
    │   ├── StoreLocked            another process owns the data directory
    │   ├── StoreFull              no room on the disk of the store or the journal
    │   └── StoreTimeout           the question took longer than its limit
    ├── ServerGone                 a running tracecollect stopped answering in the middle
    ├── ListenError                a port or address cannot be bound
    ├── DialectError               a dialect file says something that has no meaning
    ├── CaptureError               a file to import is not what its name promises
    ├── Rejected                   the sender must not retry: the data is bad or will never fit
    │   ├── TooLarge               … because of its size
    │   └── NotAllowed             … because it does not say who it is
    └── Busy                       the sender should retry later; carries after how many seconds

Foreign exceptions are translated where they arise: no driver's exception leaves `storage/`,
no gRPC exception leaves `receivers/`.
"""

from __future__ import annotations


class TracecollectError(Exception):
    """Says what happened and what it means; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TracecollectError):
    """What the person asked for does not make sense."""


class SettingsError(TracecollectError):
    """A setting is unknown, malformed or dangerous."""


class MissingExtra(TracecollectError):
    """The command needs packages of an extra that is not installed."""

    def __init__(self, command: str, extra: str, package: str) -> None:
        super().__init__(
            f"{command} needs the package {package}, which is not installed",
            hint=f"pip install 'tracecollect[{extra}]'",
        )


class NotFound(TracecollectError):
    """There is no trace, finding, pool or service of that name."""


class Ambiguous(NotFound):
    """A shortened id fits several; `candidates` are full ids, at most twenty."""

    def __init__(self, message: str, candidates: tuple[str, ...]) -> None:
        super().__init__(message, hint="type more characters of one of: " + ", ".join(candidates))
        self.candidates = candidates


class StoreError(TracecollectError):
    """The store could not answer or could not write."""


class StoreLocked(StoreError):
    """Another process owns the data directory."""


class StoreFull(StoreError):
    """No room on the disk of the store or the journal."""


class StoreTimeout(StoreError):
    """The question took longer than its limit and was cancelled."""


class ServerGone(TracecollectError):
    """A running tracecollect could not be reached or stopped answering in the middle."""


class ListenError(TracecollectError):
    """A port or address cannot be bound."""


class DialectError(TracecollectError):
    """A dialect file says something that has no meaning."""


class CaptureError(TracecollectError):
    """A file to import is not what its name promises."""


class Rejected(TracecollectError):
    """The sender must not retry: the data is malformed or will never be accepted. Counted by `reason`."""

    reason = "malformed"

    def __init__(self, message: str, *, hint: str = "", reason: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason or type(self).reason


class TooLarge(Rejected):
    """The request is larger than the configured limit."""

    reason = "too_large"


class NotAllowed(Rejected):
    """The request carries no token, or one that is not valid here."""

    reason = "not_allowed"


class Busy(TracecollectError):
    """The sender should try again after `retry_after` seconds. Counted by `reason`."""

    def __init__(self, message: str, *, retry_after: float = 1.0, reason: str = "busy") -> None:
        super().__init__(message, hint=f"retry in {retry_after:g} s")
        self.retry_after = retry_after
        self.reason = reason
