"""A predictor behind a URL, for pages and jobs whose process has no model.

`class RemoteModel` is the part that callers see, sending.py its requests, connection.py HTTP with
retries and the circuit, tryout.py the service's own format.
"""

from model.remote.predictor import RemoteModel

__all__ = ["RemoteModel"]
