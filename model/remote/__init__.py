"""A predictor behind a URL, for pages and jobs whose process has no model.

`class RemoteModel` has the queue and the futures; connection.py HTTP, retries and the circuit;
tryout.py the service's own format.
"""

from model.remote.predictor import RemoteModel

__all__ = ["RemoteModel"]
