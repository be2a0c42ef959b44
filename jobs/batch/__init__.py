"""Batches: many texts predicted together under one name, for a page or by a command.

`runs` has those of pages. The other modules read a source of any length, predict its rows and store
them exactly once: all in `run`, or by the steps `prepare`, `predict` and `store`.
"""

from jobs.batch.predicting import predict
from jobs.batch.preparing import prepare
from jobs.batch.reporting import export, status
from jobs.batch.running import run
from jobs.batch.storing import store

__all__ = ["export", "predict", "prepare", "run", "status", "store"]
