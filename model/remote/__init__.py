"""A predictor behind a URL, for pages and jobs whose process has no model.

`class RemoteModel` is what callers see, sending.py the requests; connection.py HTTP, retries and the circuit;
tryout.py the service's own format.
"""

from model.remote.predictor import RemoteModel

__all__ = ["RemoteModel"]
