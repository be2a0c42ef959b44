"""The feedback log: predictions and ratings are stored, counted, judged and exported.

Knows the values in `model.prediction` and nothing else of the model; no page and no route.
"""

from feedback.csv_file import export_csv, import_csv
from feedback.errors import CsvError, FeedbackError, LogUnavailable
from feedback.log import FeedbackLog
from feedback.records import Entry, Rating
from feedback.statistics import wilson_interval

__all__ = [
    "CsvError",
    "Entry",
    "FeedbackError",
    "FeedbackLog",
    "LogUnavailable",
    "Rating",
    "export_csv",
    "import_csv",
    "wilson_interval",
]
