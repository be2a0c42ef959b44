"""python -m jobs.batch: rows into a log, in one go and by steps, and what is refused."""

import csv
import gzip
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest

from feedback import FeedbackLog
from feedback.jobs import exclusive, find
from model import Model
from settings import ROOT
from tests.helpers.command import Ran, run_here
from tests.helpers.job_commands import (
    ROWS_OF_TEXTS,
    csv_file,
    start,
    stored_labels,
    texts_of,
    versions,
)
from tests.helpers.until import until

ROWS = ROWS_OF_TEXTS


@pytest.fixture
def texts() -> list[str]:
    return texts_of(30)


@pytest.fixture
def source(tmp_path: Path, texts: list[str]) -> Path:
    return csv_file(tmp_path / "reviews.csv", ((f"k{n}", text) for n, text in enumerate(texts)))


def command(url: str, *arguments: object) -> Ran:
    return run_here("jobs.batch", *map(str, arguments), DATABASE_URL=url)


def labels(url: str, name: str) -> dict[str, str]:
    log = FeedbackLog(url)
    try:
        return stored_labels(log, name)
    finally:
        log.close()


def status(url: str, name: str) -> dict[str, object]:
    ran = command(url, "status", name, "--json")
    assert ran.code == 0, ran.err
    found: dict[str, object] = json.loads(ran.out)
    return found


def test_run_stores_what_the_model_says_and_a_second_run_stores_nothing(
    log_url: str, model: Model, source: Path, texts: list[str]
) -> None:
    expected = {f"k{n}": made.label for n, made in enumerate(model.predict(texts))}
    first = command(log_url, "run", source, *ROWS, "--name", "weekly")
    assert (first.code, labels(log_url, "weekly")) == (0, expected), first.err
    assert "30 rows read: 30 stored" in first.out
    second = command(log_url, "run", source, *ROWS, "--name", "weekly")
    assert second.code == 0
    assert "0 stored, 30 were there" in second.out
    stale = command(log_url, "run", source, *ROWS, "--name", "weekly", "--stale")
    assert "0 stored, 30 left alone" in stale.out
    assert versions(log_url) == 30
    found = status(log_url, "weekly")
    assert {name: found[name] for name in ("rows", "stored", "rejects", "stale", "state")} == {
        "rows": 30,
        "stored": 30,
        "rejects": 0,
        "stale": 0,
        "state": "done",
    }


def test_the_steps_store_the_same_as_run_and_can_be_repeated(
    log_url: str, model: Model, source: Path, texts: list[str], tmp_path: Path
) -> None:
    manifest = tmp_path / "job" / "manifest.json"
    into = ("--into", manifest.parent, "--chunk-rows", 12)
    prepared = command(log_url, "prepare", source, *ROWS, "--name", "steps", *into)
    assert (prepared.code, prepared.out) == (0, "[0, 1, 2]\n"), prepared.err
    assert status(log_url, "steps")["state"] == "prepared"
    early = command(log_url, "store", manifest)
    assert early.code == 2
    assert f"python -m jobs.batch predict {manifest} 0" in early.err
    for chunk in (2, 0, 1, 1):  # in any order, and again
        ran = command("sqlite:////nowhere/none.db", "predict", manifest, chunk)
        assert ran.code == 0, ran.err
        assert json.loads(ran.out)["predicted"] == (6 if chunk == 2 else 12)
    stored = [json.loads(command(log_url, "store", manifest).out) for _ in range(2)]
    assert [each["new"] for each in stored] == [30, 0]
    expected = {f"k{n}": made.label for n, made in enumerate(model.predict(texts))}
    assert labels(log_url, "steps") == expected


def test_export_writes_the_predictions_as_csv_and_as_parquet(
    log_url: str, source: Path, texts: list[str], tmp_path: Path
) -> None:
    assert command(log_url, "run", source, *ROWS, "--name", "weekly").code == 0
    as_csv, as_parquet = tmp_path / "out.csv", tmp_path / "out.parquet"
    for file in (as_csv, as_parquet):
        assert command(log_url, "export", "weekly", "--out", file).code == 0
    with as_csv.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    table = pq.read_table(as_parquet).to_pylist()
    header = ["key", "text", "label", "score", "output", "model_revision", "created_at"]
    assert list(rows[0]) == list(table[0]) == header
    assert [row["text"] for row in rows] == [row["text"] for row in table] == texts
    assert [float(row["score"]) for row in rows] == [row["score"] for row in table]
    assert json.loads(table[0]["output"])[0]["label"] == table[0]["label"]
    refused = command(log_url, "export", "weekly", "--out", tmp_path / "out.xlsx")
    assert refused.code == 2
    assert ".csv or .parquet" in refused.err


def test_rows_that_cannot_be_predicted_are_rejects_with_reasons(
    log_url: str, tmp_path: Path
) -> None:
    file, rejects = tmp_path / "mixed.csv", tmp_path / "rejects.csv"
    file.write_bytes(
        b"id,text\na,good\nb,\nc,caf\xe9 \xff bad \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\n"
        b"d,one,too,many\na,again\ne," + b"x" * 20_000 + b"\nf,fine \xc3\xa9\n"
    )
    ran = command(log_url, "run", file, *ROWS, "--name", "mixed", "--rejects", rejects)
    assert ran.code == 1
    assert "5 rows are rejected, and 0 may be." in ran.err
    assert set(labels(log_url, "mixed")) == {"a", "f"}
    with rejects.open(encoding="utf-8-sig", newline="") as opened:
        reasons = {row["row"]: row["reason"] for row in csv.DictReader(opened)}
    assert "no text" in reasons["3"]
    assert "0xE9" in reasons["4"]
    assert "cells" in reasons["5"]
    assert "that of row 2" in reasons["6"]
    assert "limit is 10,000" in reasons["7"]
    allowed = command(log_url, "run", file, *ROWS, "--name", "mixed", "--allow-rejects", 5)
    assert allowed.code == 0
    assert status(log_url, "mixed")["rejects"] == 5


def test_the_last_of_duplicate_keys_wins_if_asked_and_again_at_a_second_run(
    log_url: str, tmp_path: Path
) -> None:
    file = csv_file(tmp_path / "twice.csv", [("a", "I hate it"), ("b", "ok"), ("a", "I love it")])
    for stored in (2, 0):
        ran = command(log_url, "run", file, *ROWS, "--name", "twice", "--on-duplicate", "last")
        assert ran.code == 0, ran.err
        assert f"{stored} stored" in ran.out
        assert "1 duplicate keys" in ran.out
    assert labels(log_url, "twice")["a"] == "positive"
    assert versions(log_url) == 2


def test_a_dry_run_says_what_would_be_done_and_stores_nothing(log_url: str, source: Path) -> None:
    ran = command(log_url, "run", source, *ROWS, "--name", "dry", "--dry-run")
    assert ran.code == 0
    assert "30 rows, of which 0 cannot be predicted; 30 would be predicted, in about" in ran.out
    assert versions(log_url) == 0
    unknown = command(log_url, "status", "dry")
    assert (unknown.code, "no job 'dry'" in unknown.err) == (2, True)


def test_a_dry_run_is_refused_as_the_run_would_be(log_url: str, source: Path) -> None:
    assert command(log_url, "run", source, *ROWS, "--name", "weekly", "--limit", 1).code == 0
    without_key = ("run", source, "--text-column", "text", "--name", "weekly")
    refused = [command(log_url, *without_key, *dry) for dry in ((), ("--dry-run",))]
    assert [(ran.code, ran.out) for ran in refused] == [(2, "")] * 2
    assert all("'weekly' has the key column 'id'" in ran.err for ran in refused)


def test_rows_come_from_a_query_and_from_standard_input(
    log_url: str, source: Path, texts: list[str], tmp_path: Path
) -> None:
    crm = tmp_path / "crm.db"
    with sqlite3.connect(crm) as database:
        database.execute("CREATE TABLE tickets (id TEXT, body TEXT)")
        pairs = [(f"k{n}", text) for n, text in enumerate(texts)]
        database.executemany("INSERT INTO tickets VALUES (?, ?)", pairs)
    database.close()
    sql = ("--query", "SELECT id, body FROM tickets ORDER BY id", "--from", f"sqlite:///{crm}")
    query = (*sql, "--text-column", "body", "--key", "id", "--name", "query")
    assert command(log_url, "run", *query).code == 0
    assert len(labels(log_url, "query")) == 30
    piped = start("run", "-", *ROWS, "--name", "piped", log_url=log_url, stdin=source.read_text())
    _, err = piped.communicate(timeout=120)
    assert piped.returncode == 0, err
    assert labels(log_url, "piped") == labels(log_url, "query")


def test_the_rows_before_the_place_where_a_file_is_cut_off_are_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    whole = csv_file(tmp_path / "rows.csv", enumerate(texts_of(90))).read_bytes()
    packed = gzip.compress(whole)
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(packed[: len(packed) * 2 // 3])
    lines = zlib.decompressobj(31).decompress(cut.read_bytes()).count(b"\n")
    ran = command(url, "run", cut, *ROWS, "--name", "cut")
    assert (ran.code, "is cut off" in ran.err) == (2, True), ran.err
    assert versions(url) == lines - 1 > 10  # without the header
    assert status(url, "cut")["state"] == "failed"


def test_a_second_process_of_the_same_name_is_refused(log_url: str, source: Path) -> None:
    assert command(log_url, "run", source, *ROWS, "--name", "weekly").code == 0
    log = FeedbackLog(log_url)
    job = find(log, "weekly")
    assert job
    with exclusive(log, job):
        ran = command(log_url, "run", source, *ROWS, "--name", "weekly")
    log.close()
    assert ran.code == 75
    assert "weekly" in ran.err
    assert "Traceback" not in ran.err


def test_sigterm_stores_what_is_predicted_and_the_next_run_goes_on(
    log_url: str, tmp_path: Path
) -> None:
    rows = ((n, text) for n, text in enumerate(texts_of(2500)))
    file = csv_file(tmp_path / "long.csv", rows)
    arguments = ("run", file, *ROWS, "--name", "long")
    job = start(*arguments, log_url=log_url)
    until(lambda: versions(log_url) > 0)
    job.send_signal(signal.SIGTERM)
    out, err = job.communicate(timeout=60)
    assert job.returncode == 143, err
    assert "Stopped; run it again to go on." in out
    before = versions(log_url)
    assert 0 < before < 2500
    assert status(log_url, "long")["state"] == "interrupted"
    ran = command(log_url, "run", file, *ROWS, "--name", "long", "--limit", before + 10)
    assert ran.code == 0, ran.err
    assert f"{before + 10:,} rows read: " in ran.out
    assert versions(log_url) > before


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[tuple[str, sqlite3.Connection]]:
    """The URL of a log, and a connection that can lock it."""
    file = tmp_path / "locked.db"
    FeedbackLog(f"sqlite:///{file}").close()
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    yield f"sqlite:///{file}", connection
    connection.close()


def test_a_log_that_is_away_is_waited_for(
    locked: tuple[str, sqlite3.Connection], tmp_path: Path
) -> None:
    url, connection = locked
    file = csv_file(tmp_path / "rows.csv", enumerate(texts_of(1500)))
    job = start("run", file, *ROWS, "--name", "patient", log_url=url)
    until(lambda: versions(url) > 0)
    connection.execute("BEGIN IMMEDIATE")
    time.sleep(6)  # longer than a writer waits by itself
    connection.execute("ROLLBACK")
    _, err = job.communicate(timeout=180)
    assert job.returncode == 0, err
    assert "waiting: The feedback log cannot be" in err
    assert versions(url) == 1500


def test_a_full_disk_leaves_no_half_written_folder(source: Path, tmp_path: Path) -> None:
    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))

    url = f"sqlite:///{tmp_path / 'log.db'}"
    FeedbackLog(url).close()
    into = tmp_path / "job"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LOG, str(source), str(into)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=limit_files,
        timeout=60,
    )
    assert "File too large" in done.stdout, done.stderr
    assert not (into / "manifest.json").exists()
    assert not list((into / "chunks").iterdir())


# The log itself could not be opened under such a limit.
WITHOUT_LOG = """
import sys
from pathlib import Path
from files.sources import open_source
from jobs.batch.chunks import write_chunk
rows = list(open_source([sys.argv[1]], text_column="text", key_column="id").rows())
try:
    write_chunk(Path(sys.argv[2]), 0, rows)
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "{source}", "--text-column", "txt"), "text"),
        (("run", "{source}", *ROWS, "--params", "{{"), "--params is '{', which is no JSON"),
        (("run", "{source}", *ROWS, "--params", "3"), "it must be like"),
        (("run", "{source}", *ROWS, "--params", '{{"top_q": 3}}'), "no parameter 'top_q'"),
        (("run", "{source}", *ROWS, "--stale", "soon"), "--stale is 'soon'"),
        (("run", "nothing-*.csv", *ROWS), "nothing-*.csv"),
        (("run", *ROWS), "Name the files to read"),
        (("run", "", *ROWS), "Name the files to read"),
        (("run", "{source}", *ROWS, "--query", "SELECT 1"), "Name the files to read"),
        (("run", "--query", "SELECT 1", *ROWS), "--query needs --from"),
        (("run", "{source}", *ROWS, "--model", "no/such folder"), "no/such folder"),
        (("run", "{source}", *ROWS, "--url", "http://x", "--model", "y"), "Give --url alone"),
        (("run", "{source}", *ROWS, "--url", "localhost"), "not a URL like http://localhost:8000"),
        (("run", "{source}", *ROWS, "--to", "nonsense"), "not a database URL"),
        (("run", "{source}", *ROWS, "--url", "ftp://x"), "The URL of the service is not"),
        (("run", "{source}", *ROWS, "--to", "sqlite:///{source}"), "is not an SQLite database"),
        (("predict", "{source}", 0), "is not a manifest"),
        (("store", "missing.json"), "missing.json cannot be read"),
    ],
)
def test_a_job_that_cannot_run_is_one_sentence_and_exit_code_2(
    source: Path, tmp_path: Path, arguments: tuple[object, ...], sentence: str
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    given = (each.format(source=source) if isinstance(each, str) else each for each in arguments)
    ran = command(url, *given)
    assert ran.code == 2, ran.err
    assert sentence in ran.err
    assert "Traceback" not in ran.err
    said = [line for line in ran.err.splitlines() if line and "Loading weights" not in line]
    # A database that fails is in the log of the command, too, which is on standard error.
    assert [line for line in said if not line.startswith("The feedback log cannot be")] == said[-1:]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to", "postgresql://tryout@127.0.0.1:1/log"),
        ("--url", "http://127.0.0.1:1"),
        ("--query", "SELECT id, text FROM t", "--from", "postgresql://tryout@127.0.0.1:1/crm"),
    ],
)
def test_what_is_away_at_the_start_exits_with_75_and_without_a_traceback(
    source: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    rows = () if "--query" in arguments else (source,)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    ran = command(url, "run", *rows, *ROWS, "--name", "away", *arguments)
    assert ran.code == 75, ran.err
    assert "Traceback" not in ran.err


def test_prepare_leaves_files_of_others_in_its_folder(
    log_url: str, source: Path, tmp_path: Path
) -> None:
    into = tmp_path / "mine"
    prepare = ("prepare", source, *ROWS, "--name", "steps", "--into", into)
    others = [into / "predictions" / "notes.txt", into / "chunks" / "1.parquet", into / "keep"]
    for other in others:
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text("mine")
    assert command(log_url, *prepare, "--chunk-rows", "10").out == "[0, 1, 2]\n"
    assert command(log_url, *prepare).out == "[0]\n"
    assert [other.read_text() for other in others] == ["mine"] * 3
    assert sorted(file.name for file in (into / "chunks").iterdir()) == [
        "00000.parquet",
        "1.parquet",
    ]
    (into / "manifest.json").write_text('{"name": "a page"}')
    refused = command(log_url, *prepare)
    assert (refused.code, "no job wrote it" in refused.err) == (2, True), refused.err
    assert (into / "manifest.json").read_text() == '{"name": "a page"}'


def test_prepare_of_another_job_s_name_leaves_its_chunks(
    log_url: str, source: Path, tmp_path: Path
) -> None:
    prepare = ("prepare", source, "--text-column", "text", "--name", "steps", "--into", tmp_path)
    assert command(log_url, *prepare, "--key", "id").code == 0
    assert command(log_url, *prepare).code == 2
    assert (tmp_path / "manifest.json").exists()
    assert (tmp_path / "chunks" / "00000.parquet").exists()


def test_output_that_nobody_reads_does_not_make_a_job_fail(source: Path, tmp_path: Path) -> None:
    url, rejects = f"sqlite:///{tmp_path / 'log.db'}", tmp_path / "rejects.csv"
    run = f"{sys.executable} -m jobs.batch run {source} --text-column text --rejects {rejects}"
    for redirection in ("| true; exit ${PIPESTATUS[0]}", ">&-"):
        done = subprocess.run(
            ["bash", "-c", f"{run} {redirection}"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert rejects.exists()
        rejects.unlink()


def test_standard_input_that_is_closed_is_one_sentence(tmp_path: Path) -> None:
    with mock.patch.object(sys, "stdin", None):
        ran = command(f"sqlite:///{tmp_path / 'log.db'}", "run", "-", *ROWS)
    assert ran.code == 2
    assert ran.err == "Standard input is closed. Pipe the rows into it, or name a file.\n"


def test_a_file_that_cannot_be_written_is_named_with_a_remedy(
    log_url: str, source: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out.csv"
    folder.mkdir()
    prepare = ("prepare", source, *ROWS, "--name", "steps", "--into", tmp_path / "job")
    assert command(log_url, *prepare).code == 0
    ran = command(log_url, "export", "steps", "--out", folder)
    assert ran.code == 2
    assert ran.err.startswith(f"{folder}: Is a directory. Name another place")


def test_sigterm_ends_a_store_that_waits_for_the_log(source: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    into = tmp_path / "job"
    prepare = ("prepare", source, *ROWS, "--name", "steps", "--into", into)
    assert command(url, *prepare).code == 0
    assert command(url, "predict", into / "manifest.json", 0).code == 0
    job = subprocess.Popen(
        [sys.executable, "-c", STORE_AWAY, str(into / "manifest.json")],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stderr is not None
    assert job.stderr.readline() == "Waiting: It is away.\n"
    job.send_signal(signal.SIGTERM)
    _, err = job.communicate(timeout=60)
    assert (job.returncode, err) == (143, "")
    assert status(url, "steps")["state"] == "interrupted"


# The log goes away between the start of a store and its first transaction.
STORE_AWAY = """
import runpy, sys
from feedback import LogUnavailable
from jobs.batch import storing
def away(*args, **options):
    raise LogUnavailable("It is away.")
storing.store_rows = away
sys.argv.insert(1, "store")
runpy.run_module("jobs.batch", run_name="__main__", alter_sys=True)
"""


def test_chunks_and_predictions_that_do_not_belong_together_are_refused(
    log_url: str, source: Path, tmp_path: Path
) -> None:
    into = tmp_path / "job"
    prepare = ("prepare", source, *ROWS, "--name", "steps", "--into", into)
    assert command(log_url, *prepare).code == 0
    manifest = into / "manifest.json"
    assert command(log_url, "predict", manifest, 0).code == 0
    kept = (into / "predictions" / "00000.parquet").read_bytes()
    csv_file(source, [("other", "a text")])
    assert command(log_url, *prepare).code == 0
    (into / "predictions").mkdir(exist_ok=True)
    (into / "predictions" / "00000.parquet").write_bytes(kept)  # of the former rows
    assert "missing, damaged or of other rows" in command(log_url, "store", manifest).err
    chunk = into / "chunks" / "00000.parquet"
    chunk.write_bytes(chunk.read_bytes()[:-40])
    cut = command(log_url, "predict", manifest, 0)
    assert (cut.code, "is not the chunk that was prepared" in cut.err) == (2, True)
    missing = command(log_url, "predict", manifest, 7)
    assert "no chunk 7" in missing.err
    chunk.unlink()
    gone = command(log_url, "predict", manifest, 0)
    assert (gone.code, "No such file or directory. Prepare the source" in gone.err) == (2, True)


def test_prepare_removes_the_chunks_of_a_former_call_and_no_other_file(
    log_url: str, source: Path, tmp_path: Path
) -> None:
    into = tmp_path / "job"
    others = [into / "predictions" / "of-mine.parquet", into / "chunks" / "notes.txt"]
    for file in others:
        file.parent.mkdir(parents=True)
        file.write_text("mine")
    prepare = ("prepare", source, *ROWS, "--name", "steps", "--into", into)
    assert command(log_url, *prepare, "--chunk-rows", 10).out == "[0, 1, 2]\n"
    left = into / "chunks" / ".00007.parquet.0123.part"  # of a call that was killed
    left.touch()
    assert command(log_url, *prepare).out == "[0]\n"
    assert sorted(file.name for file in (into / "chunks").iterdir()) == [
        "00000.parquet",
        "notes.txt",
    ]
    assert all(file.read_text() == "mine" for file in others)


def test_an_empty_source_is_a_job_without_rows(log_url: str, tmp_path: Path) -> None:
    file, into = tmp_path / "empty.csv", tmp_path / "job"
    file.write_text("id,text\n")
    prepared = command(log_url, "prepare", file, *ROWS, "--name", "empty", "--into", into)
    assert (prepared.code, prepared.out) == (0, "[]\n")
    assert command(log_url, "store", into / "manifest.json").code == 0
    found = status(log_url, "empty")
    assert (found["rows"], found["stored"], found["state"]) == (0, 0, "done")


def test_more_drift_than_allowed_exits_with_3(log_url: str, tmp_path: Path) -> None:
    weeks = {"2026-11-21": "I love it, number {}", "2026-11-28": "I hate it, number {}"}
    codes = []
    for week, text in weeks.items():
        file = csv_file(tmp_path / f"flyers-{week}.csv", ((n, text.format(n)) for n in range(40)))
        ran = command(log_url, "run", file, *ROWS, "--name", week, "--max-drift", "0.3")
        codes.append(ran.code)
    assert codes == [0, 3]
    assert "The shares of labels changed" in ran.err
    assert "The effect size is 1.00, and at most 0.3 is allowed." in ran.err
    assert "Shift(" not in ran.err
    found = command(log_url, "status", "2026-11-28", "--json", "--max-drift", "0.3")
    assert found.code == 3
    assert json.loads(found.out)["drift"]["effect"] > 0.9
