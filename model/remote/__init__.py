"""A predictor behind a URL, for pages and jobs whose process has no model.

`class RemoteModel` is the part that callers see, sending.py its requests, connection.py HTTP with
retries and the circuit. `class Api` in api.py is the part that differs by format: tryout.py has the
service's own, huggingface.py and openai.py those of other servers.
"""

from model.remote.predictor import RemoteModel

__all__ = ["RemoteModel"]
