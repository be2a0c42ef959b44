"""The errors of a batch job; each message is fit to be shown. Knows no step."""

from errors import InvalidInput, TryoutError


class BatchError(TryoutError):
    """The job cannot be run as it is asked for."""

    exit_code = 2


class BadManifest(BatchError, InvalidInput):
    """A manifest, a chunk or its predictions cannot be read, or do not belong together."""

    exit_code = 2
