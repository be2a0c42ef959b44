"""python -m serving.replay: another model over the rated predictions, as a test of it.

What the Compare page runs in the background is the same. Takes the log and the models as values;
only the command reads the settings.
"""

import argparse
import json
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feedback import FeedbackError, FeedbackLog
from feedback.rated import Rated, count_rated, rated
from feedback.replay import (
    Outcome,
    Reference,
    Score,
    answer_of,
    answer_to_json,
    outcome,
    reference,
)
from model import Model, ModelError, ModelInfo, Prediction
from model.bulk import predict_each
from model.exported import is_export
from model.prediction import output_to_json

logger = logging.getLogger("tryout")

SHOWN: tuple[Outcome, ...] = ("fixed", "broken", "still wrong", "still right", "unknown")
SIGNIFICANT = 0.05
LISTED = 20  # texts of one outcome that the command prints
TEXT_CHARS, ANSWER_CHARS = 60, 24


@dataclass(frozen=True, slots=True)
class Replayed:
    """A rated prediction and what another model makes of it; `problem` is why it made nothing."""

    reference: Reference
    new: Prediction | None
    outcome: Outcome
    problem: str = ""

    @property
    def answers(self) -> tuple[str, str, str]:
        """What was said, what would be right and what is said now, as text; "" for nothing."""
        old, new, kind = self.reference.prediction, self.new, self.reference.kind
        said = (answer_of(old), self.reference.truth, answer_of(new) if new else None)
        was, right, now = (answer_to_json(answer, kind) for answer in said)
        return was, right, now


def replay(
    model: Model,
    every: Iterable[Rated],
    *,
    left_out: Counter[str],
    goes_on: Callable[[], bool] = lambda: True,
) -> Iterator[Replayed]:
    """What `model` makes of each rated prediction, behind everybody else's texts.

    Counts in `left_out` the predictions whose reviewers are "divided", and those that are
    "repeated": of one text the newest is compared, as a test over it counts independent ones.
    Ends early, and soon, once `goes_on` says no. Raises ModelClosed if the model is closed.
    """

    names = {param.name for param in model.info.params}
    seen: set[int] = set()  # of hashes: texts of a million predictions are too many

    def asked() -> Iterator[tuple[Reference, str, Any]]:
        for prediction, ratings in every:
            params = {name: prediction.params[name] for name in prediction.params.keys() & names}
            same = hash((prediction.input, json.dumps(params, sort_keys=True)))
            known = reference(prediction, ratings)
            if known is None:
                left_out["divided"] += 1
            elif same in seen:
                left_out["repeated"] += 1
            else:
                seen.add(same)
                yield known, prediction.input, params

    for known, said in predict_each(model, asked(), goes_on=goes_on):
        if isinstance(said, ModelError):
            yield Replayed(known, None, outcome(known, None), str(said))
        else:
            yield Replayed(known, said, outcome(known, said))


def line(one: Replayed) -> str:
    """One line of JSON, with all that was compared."""
    old, new = one.reference.prediction, one.new
    was, right, now = one.answers
    values = {
        "outcome": one.outcome,
        "prediction_id": str(old.id),
        "input": old.input,
        "params": dict(old.params),
        "task": old.task,
        "right": one.reference.is_right,
        "truth": None if one.reference.truth is None else right,
        "old": _side(old, was),
        "new": _side(new, now) if new else None,
        "problem": one.problem,
    }
    return json.dumps(values)


def lines(every: Iterable[Replayed]) -> Iterator[str]:
    """A JSONL file of them."""
    return (line(one) + "\n" for one in every)


def _side(prediction: Prediction, said: str) -> dict[str, Any]:
    return {
        "model_id": prediction.model_id,
        "model_revision": prediction.model_revision,
        "label": prediction.label,
        "says": said,
        "output": output_to_json(prediction.output),
    }


class Replay:
    """A replay in a thread of its own, for a page: how far it is, what it found, a stop."""

    def __init__(self, model: Model, log: FeedbackLog, *, limit: int) -> None:
        """Starts it, over the newest `limit` rated predictions of the model's task."""
        self.info = model.info
        self.total = self.compared = 0
        self.left_out: Counter[str] = Counter()
        self.score = Score()
        self.results: list[Replayed] = []
        self.problem = ""
        self._model, self._log, self._limit = model, log, limit
        self._stop = threading.Event()
        self._started_s = self._ended_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()

    @property
    def runs(self) -> bool:
        return self._thread.is_alive()

    @property
    def stopped(self) -> bool:
        """Whether it was stopped before it was through."""
        return self._stop.is_set()

    @property
    def done(self) -> int:
        return self.compared + self.left_out.total()

    @property
    def per_s(self) -> float:
        """Predictions a second so far."""
        ended_s = time.monotonic() if self.runs else self._ended_s
        return self.done / max(ended_s - self._started_s, 0.001)

    def stop(self) -> None:
        """Ends it soon; what was compared by then stays."""
        self._stop.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._compare()
        except (FeedbackError, ModelError) as error:
            self.problem = str(error)
        except Exception as error:  # whatever it is, who waits must be told
            logger.exception("A replay failed")
            self.problem = f"The replay failed: {error!r}."
        finally:
            self._ended_s = time.monotonic()
            del self._model  # it may be unloaded while the result is still read

    def _compare(self) -> None:
        task = self.info.task
        self.total = count_rated(self._log, task=task, limit=self._limit)
        every = rated(self._log, task=task, limit=self._limit)
        compared = replay(
            self._model, every, left_out=self.left_out, goes_on=lambda: not self.stopped
        )
        for one in compared:
            self.results.append(one)
            self.score.add(one.reference, one.outcome)
            self.compared += 1


# --- in words -------------------------------------------------------------------------------------


def verdict(score: Score) -> str:
    """What the p value says, in words, for a page and for a terminal."""
    fixed, broken = score.counts["fixed"], score.counts["broken"]
    if not score.changed:
        return "Nothing was fixed and nothing broken: by these ratings neither is better."
    told = "No difference can be told."
    if score.p < SIGNIFICANT:
        told = f"By these ratings the model is {'better' if fixed > broken else 'worse'}."
    return told + " " + by_chance(score.p, f"{fixed:,} fixed and {broken:,} broken", score.changed)


def by_chance(p: float, split: str, trials: int) -> str:
    """A sign test's p in words: how often `split`, of so many trials, happens without a reason."""
    if 2 * 0.5**trials > SIGNIFICANT:  # the test is exact for any number, but says nothing here
        what = f"{split[0].upper()}{split[1:]} is too few to tell (p = {p:.2g})"
        return f"{what}: so few can all be on one side by chance."
    if p < 0.001:
        how_often = "fewer than 1 of 1,000"
    else:
        how_often = f"{1000 * p:.0f} of 1,000" if p < 0.0095 else f"{100 * p:.0f} of 100"
    return (
        f"p = {p:.2g}: were neither better, a split as uneven as {split} would happen by chance "
        f"in {how_often} comparisons like this."
    )


def foreign_labels(score: Score, ours: Sequence[str]) -> str:
    """A sentence if labels that were predicted are none of `ours`, the other model's; else ""."""
    theirs = sorted(set(score.by_label) - {""})
    foreign = [label for label in theirs if ours and label not in ours]
    if not foreign:
        return ""
    if not are_comparable(score, ours):
        return (
            f"The model's labels are {_some(ours)}, and none of them is among those of the "
            f"rated predictions, {_some(theirs)}: what it says cannot be compared."
        )
    return (
        f"The model has no label {_some(foreign)}, which rated predictions have: whatever it says "
        "of those is not the same. Are its labels named otherwise?"
    )


def are_comparable(score: Score, ours: Sequence[str]) -> bool:
    """Whether any label that was predicted is one of `ours`, where these are a fixed set."""
    theirs = set(score.by_label) - {""}
    return not ours or not theirs or not theirs.isdisjoint(ours)


def _some(labels: Sequence[str]) -> str:
    return ", ".join(_printed(label, ANSWER_CHARS) for label in labels[:5])


def table(score: Score) -> list[tuple[str, list[int]]]:
    """How many predictions have which outcome, in SHOWN: of all, then by the label they had."""
    by_label = sorted(score.by_label.items(), key=lambda item: (-item[1].total(), item[0]))
    every = [("", score.counts), *by_label]
    return [(label, [counts[name] for name in SHOWN]) for label, counts in every]


def _printed(text: str, max_chars: int) -> str:
    """`text` in one line that no terminal takes for a command, cut to `max_chars`."""
    line = " ".join(text.split())
    line = line if len(line) <= max_chars else line[: max_chars - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _in_columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells below each other; all but the first column are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def report(
    score: Score, listed: dict[Outcome, list[Replayed]], left_out: Counter[str], info: ModelInfo
) -> str:
    """What the command prints: the counts, the p value, and the texts, broken ones first."""
    rows: list[Sequence[str]] = [("", *SHOWN)]
    for n, (label, counts) in enumerate(table(score)):
        name = (_printed(label, ANSWER_CHARS) or "none") if n else "all"
        rows.append([name, *(f"{count:,}" for count in counts)])
    parts = [_in_columns(rows), verdict(score)]
    if foreign := foreign_labels(score, info.labels):
        parts.append(foreign)
    if divided := left_out["divided"]:
        parts.append(f"Left out, as reviewers are divided on them: {divided:,}.")
    if repeated := left_out["repeated"]:
        parts.append(f"Left out, as a newer prediction is of the same text: {repeated:,}.")
    for name, some in listed.items():
        if some:
            texts = [_listed(one) for one in some]
            more = score.counts[name] - len(some)
            texts += [f"  and {more:,} more"] if more else []
            parts.append("\n".join([f"{name.capitalize()}:", *texts]))
    return "\n\n".join(parts)


def _listed(one: Replayed) -> str:
    was, right, now = (_printed(said, ANSWER_CHARS) or "?" for said in one.answers)
    made = f"now fails: {_printed(one.problem, TEXT_CHARS)}" if one.problem else f"now {now}"
    wanted = "" if one.reference.is_right else f", should be {right}"
    text = _printed(one.reference.prediction.input, TEXT_CHARS)
    return f"  {one.reference.prediction.id}  {text}\n      was {was}{wanted}, {made}"


# --- the command ----------------------------------------------------------------------------------


def main() -> int:
    """Runs a model over the rated predictions of the log and compares with what reviewers said.

    Exits with 0 if it breaks no more than allowed, with 1 if it does, with 2 if it cannot be told.
    """
    # Only here, where the command starts: the module knows no settings.
    from settings import SettingsError, load_settings

    given = _parser().parse_args()
    try:
        settings = load_settings()
        chosen = settings.model
        ours = given.model == chosen.id
        model = Model(
            given.model,
            revision=given.revision or (chosen.revision if ours else None),
            task=chosen.task,
            runtime="onnx" if is_export(given.model) else "torch",
            device=chosen.device,
            dtype=None if is_export(given.model) else chosen.dtype,
            allow_pickle=ours and chosen.allow_pickle,
            trust_remote_code=ours and chosen.trust_remote_code,
        )
        with ExitStack() as stack:
            log = FeedbackLog(settings.log_url)
            stack.callback(log.close)
            model.load()
            stack.callback(model.close)
            return _compare(model, log, given)
    except (ModelError, FeedbackError, SettingsError) as error:
        return _refused(str(error))
    except OSError as error:
        what = given.out or "The result"
        return _refused(f"{what} cannot be written: {error.strerror}. Name another --out.")
    except KeyboardInterrupt:
        return _refused("Stopped.")
    except Exception as error:
        logger.exception("The replay failed")
        return _refused(f"The replay failed: {error!r}. That says nothing of the model.")


def _refused(why: str) -> int:
    print(why, file=sys.stderr)
    return 2


def whole_number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def positive_number(text: str) -> int:
    if not whole_number(text):
        raise ValueError
    return whole_number(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving.replay", description=main.__doc__)
    parser.add_argument("--model", required=True, metavar="ID", help="a folder or a Hub id")
    parser.add_argument("--revision", help="a branch, tag or commit on the Hub")
    parser.add_argument(
        "--allow-broken", type=whole_number, default=0, metavar="N", help="as many may break (0)"
    )
    parser.add_argument(
        "--newest", type=positive_number, metavar="N", help="only so many, the newest"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a JSONL of all of them")
    return parser


def _compare(model: Model, log: FeedbackLog, given: argparse.Namespace) -> int:
    score, listed, left_out = Score(), _empty(), Counter[str]()
    info = model.info
    every = rated(log, task=info.task, limit=given.newest)
    with ExitStack() as stack:
        out = stack.enter_context(given.out.open("w", encoding="utf-8")) if given.out else None
        for one in replay(model, every, left_out=left_out):
            score.add(one.reference, one.outcome)
            if one.outcome in listed and len(listed[one.outcome]) < LISTED:
                listed[one.outcome].append(one)
            if out:
                out.write(line(one) + "\n")
    if not score.total:
        return _refused(
            f"The log has no rated predictions of the task {info.task} to compare with"
            + (", only ones on which reviewers are divided." if left_out else ". Rate some first.")
        )
    name = f"{_printed(info.id, 100)} ({info.revision}, {info.runtime}, {info.dtype})"
    print(f"{name} over {score.total:,} rated predictions:\n")
    print(report(score, listed, left_out, info))
    if not are_comparable(score, info.labels):
        return _refused("Failed: the labels are not those of the rated predictions.")
    broken = score.counts["broken"]
    if broken > given.allow_broken:
        print(f"\nFailed: {broken:,} broken, and {given.allow_broken:,} may be.")
        return 1
    return 0


def _empty() -> dict[Outcome, list[Replayed]]:
    return {"broken": [], "fixed": []}


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(main())
