"""A replay in words, for the Compare page and for a terminal. Prints nothing."""

from collections import Counter
from collections.abc import Sequence

from feedback.outcomes import Outcome, OutcomeCounts
from jobs.replay.run import ReplayResult
from model import ModelInfo

SHOWN: tuple[Outcome, ...] = ("fixed", "broken", "still wrong", "still right", "unknown")
SIGNIFICANT = 0.05
TEXT_CHARS, ANSWER_CHARS = 60, 24


def conclusion(score: OutcomeCounts) -> str:
    """The p value in words: is the model better, worse, or can no difference be told?"""
    fixed, broken = score.counts["fixed"], score.counts["broken"]
    if not score.changed:
        return "Nothing was fixed and nothing broken: by these ratings neither is better."
    difference = "No difference can be told."
    if score.p < SIGNIFICANT:
        difference = f"By these ratings the model is {'better' if fixed > broken else 'worse'}."
    split = f"{fixed:,} fixed and {broken:,} broken"
    return f"{difference} {by_chance(score.p, split, score.changed)}"


def by_chance(p: float, split: str, trials: int) -> str:
    """A sign test's p in words: the frequency of such a `split` if neither model is better."""
    if 2 * 0.5**trials > SIGNIFICANT:  # even if all trials were on one side
        too_few = f"{split[0].upper()}{split[1:]} is too few to tell (p = {p:.2g})"
        return f"{too_few}: so few can all be on one side by chance."
    if p < 0.001:
        frequency = "fewer than 1 of 1,000"
    else:
        frequency = f"{1000 * p:.0f} of 1,000" if p < 0.0095 else f"{100 * p:.0f} of 100"
    return (
        f"p = {p:.2g}: were neither better, a split as uneven as {split} would happen by chance "
        f"in {frequency} comparisons like this."
    )


def foreign_labels(score: OutcomeCounts, ours: Sequence[str]) -> str:
    """A sentence if predicted labels are not among `ours`, those of the challenger; else ""."""
    theirs = sorted(set(score.by_label) - {""})
    foreign = [label for label in theirs if ours and label not in ours]
    if not foreign:
        return ""
    if not are_comparable(score, ours):
        return (
            f"The model's labels are {_first(ours)}, and none of them is among those of the "
            f"rated predictions, {_first(theirs)}: what it says cannot be compared."
        )
    return (
        f"The model has no label {_first(foreign)}, which rated predictions have: whatever it says "
        "of those is not the same. Are its labels named otherwise?"
    )


def are_comparable(score: OutcomeCounts, ours: Sequence[str]) -> bool:
    """True if a predicted label is among `ours`, or there are no fixed labels to compare."""
    theirs = set(score.by_label) - {""}
    return not ours or not theirs or not theirs.isdisjoint(ours)


def _first(labels: Sequence[str]) -> str:
    return ", ".join(printed(label, ANSWER_CHARS) for label in labels[:5])


def counts_by_label(score: OutcomeCounts) -> list[tuple[str, list[int]]]:
    """The numbers of predictions by outcome, in the order of SHOWN.

    First those of all predictions, with "" for a label, then a row for each predicted label.
    """
    by_label = sorted(score.by_label.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = [("", score.counts), *by_label]
    return [(label, [counts[name] for name in SHOWN]) for label, counts in rows]


def printed(text: str, max_chars: int) -> str:
    """`text` in one line that no terminal takes for a command, cut to `max_chars`."""
    line = " ".join(text.split())
    line = line if len(line) <= max_chars else line[: max_chars - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def _in_columns(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal; all columns but the first are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def report(
    score: OutcomeCounts,
    listed: dict[Outcome, list[ReplayResult]],
    left_out: Counter[str],
    info: ModelInfo,
) -> str:
    """The output of the command: the counts, the p value, and the texts, broken ones first."""
    rows: list[Sequence[str]] = [("", *SHOWN)]
    for number, (label, counts) in enumerate(counts_by_label(score)):
        name = (printed(label, ANSWER_CHARS) or "none") if number else "all"
        rows.append([name, *(f"{count:,}" for count in counts)])
    parts = [_in_columns(rows), conclusion(score)]
    if foreign := foreign_labels(score, info.labels):
        parts.append(foreign)
    if divided := left_out["divided"]:
        parts.append(f"Left out, as reviewers are divided on them: {divided:,}.")
    if repeated := left_out["repeated"]:
        parts.append(f"Left out, as a newer prediction is of the same text: {repeated:,}.")
    for name, results in listed.items():
        if results:
            texts = [_listed(result) for result in results]
            more = score.counts[name] - len(results)
            texts += [f"  and {more:,} more"] if more else []
            parts.append("\n".join([f"{name.capitalize()}:", *texts]))
    return "\n\n".join(parts)


def _listed(result: ReplayResult) -> str:
    old, truth, new = (printed(answer, ANSWER_CHARS) or "?" for answer in result.answers)
    now = f"now fails: {printed(result.problem, TEXT_CHARS)}" if result.problem else f"now {new}"
    wanted = "" if result.reference.is_right else f", should be {truth}"
    rated = result.reference.prediction
    return f"  {rated.id}  {printed(rated.input, TEXT_CHARS)}\n      was {old}{wanted}, {now}"
