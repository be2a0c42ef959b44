"""Files of a job's predictions."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from feedback import FeedbackLog
from feedback.jobs import store
from jobs.batch import reporting
from tests.helpers.jobs import job_of, job_rows


def test_a_parquet_file_has_few_large_row_groups(
    sqlite_log: FeedbackLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "ROW_GROUP_ROWS", 700)
    store(sqlite_log, job_of(sqlite_log), job_rows(range(1500)))
    reporting.export(sqlite_log, "weekly", tmp_path / "out.parquet")
    file = pq.ParquetFile(tmp_path / "out.parquet")
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert sizes == [700, 700, 100]
    assert file.read(columns=["key"])["key"].to_pylist() == [str(n) for n in range(1500)]
