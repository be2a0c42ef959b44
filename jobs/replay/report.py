"""A replay in words: for the Compare page and for a terminal. Knows neither."""

from collections import Counter
from collections.abc import Sequence

from feedback.outcomes import Outcome, OutcomeCounts
from jobs.replay.run import Replayed
from model import ModelInfo

SHOWN: tuple[Outcome, ...] = ("fixed", "broken", "still wrong", "still right", "unknown")
SIGNIFICANT = 0.05
TEXT_CHARS, ANSWER_CHARS = 60, 24


def verdict(score: OutcomeCounts) -> str:
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


def foreign_labels(score: OutcomeCounts, ours: Sequence[str]) -> str:
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


def are_comparable(score: OutcomeCounts, ours: Sequence[str]) -> bool:
    """Whether any label that was predicted is one of `ours`, where these are a fixed set."""
    theirs = set(score.by_label) - {""}
    return not ours or not theirs or not theirs.isdisjoint(ours)


def _some(labels: Sequence[str]) -> str:
    return ", ".join(printed(label, ANSWER_CHARS) for label in labels[:5])


def table(score: OutcomeCounts) -> list[tuple[str, list[int]]]:
    """How many predictions have which outcome, in SHOWN: of all, then by the label they had."""
    by_label = sorted(score.by_label.items(), key=lambda item: (-item[1].total(), item[0]))
    every = [("", score.counts), *by_label]
    return [(label, [counts[name] for name in SHOWN]) for label, counts in every]


def printed(text: str, max_chars: int) -> str:
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
    score: OutcomeCounts,
    listed: dict[Outcome, list[Replayed]],
    left_out: Counter[str],
    info: ModelInfo,
) -> str:
    """What the command prints: the counts, the p value, and the texts, broken ones first."""
    rows: list[Sequence[str]] = [("", *SHOWN)]
    for n, (label, counts) in enumerate(table(score)):
        name = (printed(label, ANSWER_CHARS) or "none") if n else "all"
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
    was, right, now = (printed(said, ANSWER_CHARS) or "?" for said in one.answers)
    made = f"now fails: {printed(one.problem, TEXT_CHARS)}" if one.problem else f"now {now}"
    wanted = "" if one.reference.is_right else f", should be {right}"
    text = printed(one.reference.prediction.input, TEXT_CHARS)
    return f"  {one.reference.prediction.id}  {text}\n      was {was}{wanted}, {made}"
