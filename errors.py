"""The root of all errors, and the kinds that an edge must tell apart. Imports nothing.

A message says what happened, with which value, and what to do; it is fit to be shown. The modules
that raise errors derive their own from these. Pages show the sentence, routes answer a status by
the kind, commands print the sentence and exit with `exit_code`, unless they have exit codes of
their own.
"""


class TryoutError(Exception):
    """Something cannot be done, and will not go away by itself."""

    exit_code = 1


class InvalidInput(TryoutError):
    """The caller's input cannot be taken as it is."""


class Unavailable(TryoutError):
    """Something that is needed is away for now; the same call can succeed later.

    The exit code is EX_TEMPFAIL of sysexits.h, by which a workflow tool can tell a retry.
    """

    exit_code = 75


class Busy(Unavailable):
    """Too much waits already; `wait_s` is about how long that takes, in seconds."""

    wait_s: float


class TimedOut(Busy):
    """The input has waited for longer than its caller allows."""
