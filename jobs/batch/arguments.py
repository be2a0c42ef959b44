"""The command line of python -m jobs.batch. Knows no step, only their options."""

import argparse
from pathlib import Path

from jobs.batch.preparing import CHUNK_ROWS, MAX_CHUNK_ROWS
from jobs.numbers import positive_number, whole_number


def chunk_size(text: str) -> int:
    number = positive_number(text)
    if number > MAX_CHUNK_ROWS:
        raise ValueError
    return number


def effect_size(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ValueError
    return number


def parser() -> argparse.ArgumentParser:
    """The parser; the name of the step is in `step`."""
    top = argparse.ArgumentParser(prog="python -m jobs.batch", description=__doc__)
    steps = top.add_subparsers(dest="step", required=True, metavar="STEP")
    model, log, rows = _model(), _log(), _rows()
    run = steps.add_parser(
        "run", parents=[rows, model, log], help="read, predict and store in one process"
    )
    run.add_argument("--dry-run", action="store_true", help="store nothing, and say what would be")
    run.add_argument("--rejects", type=Path, metavar="FILE", help="CSV of the rows rejected")
    prepare = steps.add_parser(
        "prepare", parents=[rows, model, log], help="check the rows and write them as chunks"
    )
    prepare.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    prepare.add_argument(
        "--chunk-rows",
        type=chunk_size,
        default=CHUNK_ROWS,
        metavar="N",
        help=f"rows of a chunk, {MAX_CHUNK_ROWS:,} at most ({CHUNK_ROWS:,})",
    )
    predict = steps.add_parser("predict", parents=[model], help="predict a chunk")
    store = steps.add_parser("store", parents=[log], help="store the predictions of all chunks")
    for step in (predict, store):
        step.add_argument("manifest", type=Path, metavar="MANIFEST")
    predict.add_argument("chunk", type=whole_number, metavar="CHUNK")
    status = steps.add_parser("status", parents=[model, log], help="rows, stored, rejects, stale")
    export = steps.add_parser("export", parents=[log], help="write the predictions into a file")
    for step in (status, export):
        step.add_argument("name", metavar="NAME")
    status.add_argument("--json", action="store_true", help="for programs")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help=".csv or .parquet")
    for step in (run, store):
        step.add_argument(
            "--allow-rejects", type=whole_number, default=0, metavar="N", help="as many may be (0)"
        )
    for step in (run, status):
        step.add_argument(
            "--max-drift",
            type=effect_size,
            metavar="E",
            help="exit with 3 if the effect size against the job before is larger, 0 to 1",
        )
    return top


def _rows() -> argparse.ArgumentParser:
    rows = argparse.ArgumentParser(add_help=False)
    rows.add_argument("source", nargs="*", metavar="SOURCE", help="files, globs, or - for stdin")
    rows.add_argument("--query", metavar="SQL", help="rows of a query, instead of files")
    rows.add_argument("--from", dest="from_", metavar="URL", help="the database of the query")
    rows.add_argument("--text-column", required=True, metavar="C")
    rows.add_argument("--key", default="", metavar="COLUMN", help="names a row (else its place)")
    rows.add_argument("--name", help="of the job (else the source's name and the date)")
    rows.add_argument("--params", default="{}", metavar="JSON", help="of the predictions")
    rows.add_argument("--limit", type=positive_number, metavar="N", help="read N rows at most")
    rows.add_argument(
        "--only-new", action="store_true", help="leave keys alone that the revision has predicted"
    )
    rows.add_argument(
        "--stale",
        nargs="?",
        const="",
        metavar="AGE",
        help="predict again what another revision predicted, or what is older than 30d",
    )
    rows.add_argument(
        "--on-duplicate",
        choices=["refuse", "last"],
        default="refuse",
        help="rows with one key: refuse all but the first, or take the last (refuse)",
    )
    return rows


def _model() -> argparse.ArgumentParser:
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", metavar="ID", help="a folder or a Hub id (that of app.toml)")
    model.add_argument("--revision", help="a branch, tag or commit on the Hub")
    model.add_argument("--runtime", choices=["torch", "onnx"])
    model.add_argument("--url", help="a service that has the model")
    return model


def _log() -> argparse.ArgumentParser:
    log = argparse.ArgumentParser(add_help=False)
    log.add_argument("--to", metavar="URL", help="a database (that of DATABASE_URL or app.toml)")
    return log
