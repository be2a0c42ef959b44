"""The statistics of the Feedback page as GraphQL types: numbers with their n and 95 % interval.

Each field asks feedback.insights only if a document has it. Knows no HTTP.
"""

from collections.abc import Callable
from datetime import date
from typing import Self, TypeVar

import strawberry

from feedback import FeedbackLog, insights
from feedback.records import ModelRevision
from serving.graphql.context import Info

MAX_LABELS = 20
MAX_CONFUSED = 12  # labels on a side
T = TypeVar("T")


@strawberry.type(description="some of n, and the 95 % interval of the share.")
class Share:
    some: int
    n: int
    value: float = strawberry.field(description="0 to 1; 0 of none.")
    low: float
    high: float
    too_few: bool = strawberry.field(description="True if n is too small to say much.")

    @classmethod
    def of(cls, share: insights.Share) -> Self:
        low, high = share.interval
        return cls(
            some=share.some,
            n=share.n,
            value=share.value,
            low=low,
            high=high,
            too_few=share.too_few,
        )


@strawberry.type(description="The size of the log, of all models.")
class Counts:
    predictions: int
    rated: int
    up: int
    down: int
    reviewers: int


@strawberry.type(description="A rated model, and the share of its ratings that are up.")
class RevisionShare:
    model_id: str
    model_revision: str
    up: Share


@strawberry.type(description="The ratings of a day, in UTC.")
class Day:
    day: date
    up: int
    down: int


@strawberry.type
class LabelShare:
    label: str
    share: Share


@strawberry.type(description="The labels with the most ratings.")
class LabelShares:
    labels: list[LabelShare]
    left_out: int = strawberry.field(description="The number of the other labels.")

    @classmethod
    def of(cls, ranked: insights.Ranked) -> Self:
        labels = [
            LabelShare(label=label, share=Share.of(share)) for label, share in ranked.shares.items()
        ]
        return cls(labels=labels, left_out=ranked.left_out)


@strawberry.type(description="n ratings of an output, where another label or the same is right.")
class ConfusionCell:
    output: str
    truth: str
    n: int


@strawberry.type(description="Outputs against right labels, among the most frequent labels.")
class Confusion:
    labels: list[str]
    cells: list[ConfusionCell]
    n: int
    left_out: int = strawberry.field(description="The number of the other labels.")


@strawberry.type(description="The ratings of outputs whose score is in a tenth, 0 to 9.")
class CalibrationBin:
    tenth: int
    mean_score: float
    right: Share


@strawberry.type(description="Scores against the share that is right.")
class Calibration:
    n: int
    error: float | None = strawberry.field(description="Expected calibration error, 0 to 1.")
    low: float
    high: float
    bins: list[CalibrationBin]


@strawberry.type(description="The agreement of reviewers beyond chance, 1 always, 0 as by chance.")
class Agreement:
    measure: str = strawberry.field(description="kappa of two reviewers, alpha of more.")
    reviewers: list[str]
    value: float | None
    low: float
    high: float
    n: int
    same: Share = strawberry.field(description="The predictions with unanimous ratings.")


@strawberry.type(description="Predictions that chance chose, as most of their reviewers say.")
class ByChance:
    right: Share
    unrated: int


@strawberry.type(description="Thumbs up given before and after the output was seen.")
class BlindShares:
    blind: Share
    seen: Share
    low: float = strawberry.field(description="Of the difference of both shares.")
    high: float


@strawberry.type(description="Statistics of the ratings, of all models or of one.")
class Insights:
    of_revision: strawberry.Private[ModelRevision | None]

    async def _ask(
        self, info: Info, question: Callable[[FeedbackLog, ModelRevision | None], T]
    ) -> T:
        return await info.context.ask_statistics(lambda log: question(log, self.of_revision))

    @strawberry.field
    async def counts(self, info: Info) -> Counts:
        counts = await info.context.ask_statistics(lambda log: log.counts())
        return Counts(
            predictions=counts.predictions,
            rated=counts.rated,
            up=counts.up,
            down=counts.down,
            reviewers=counts.reviewers,
        )

    @strawberry.field(description="The rated models, the model that was rated first last.")
    async def revisions(self, info: Info) -> list[RevisionShare]:
        shares = await info.context.ask_statistics(insights.revisions)
        return [
            RevisionShare(
                model_id=of.model_id, model_revision=of.model_revision, up=Share.of(share)
            )
            for of, share in shares.items()
            if self.of_revision in (None, of)
        ]

    @strawberry.field(description="Accuracy in general, from predictions that chance chose.")
    async def by_chance(self, info: Info) -> ByChance:
        share = info.context.random_share
        drawn = await self._ask(
            info, lambda log, of: insights.drawn_by_chance(log, of, share=share)
        )
        return ByChance(right=Share.of(drawn.right), unrated=drawn.unrated)

    @strawberry.field
    async def by_day(self, info: Info) -> list[Day]:
        days = await self._ask(info, insights.by_day)
        return [Day(day=tally.day, up=tally.up, down=tally.down) for tally in days]

    @strawberry.field(description="Of each predicted label the share that is up: its precision.")
    async def by_output(self, info: Info) -> LabelShares:
        ranked = await self._ask(
            info, lambda log, of: insights.by_output(log, of, limit=MAX_LABELS)
        )
        return LabelShares.of(ranked)

    @strawberry.field(description="Of each right label the share that was predicted: its recall.")
    async def by_truth(self, info: Info) -> LabelShares:
        ranked = await self._ask(info, lambda log, of: insights.by_truth(log, of, limit=MAX_LABELS))
        return LabelShares.of(ranked)

    @strawberry.field
    async def confusion(self, info: Info) -> Confusion:
        confusion = await self._ask(
            info, lambda log, of: insights.confusion(log, of, limit=MAX_CONFUSED)
        )
        cells = [
            ConfusionCell(output=output, truth=truth, n=n)
            for (output, truth), n in confusion.cells.items()
        ]
        return Confusion(
            labels=list(confusion.labels), cells=cells, n=confusion.n, left_out=confusion.left_out
        )

    @strawberry.field
    async def calibration(self, info: Info) -> Calibration:
        reliability = await self._ask(info, insights.reliability)
        low, high = reliability.error_ends
        bins = [
            CalibrationBin(tenth=each.tenth, mean_score=each.mean_score, right=Share.of(each.right))
            for each in reliability.bins
        ]
        return Calibration(n=reliability.n, error=reliability.error, low=low, high=high, bins=bins)

    @strawberry.field(description="Thumbs down among the outputs with the highest scores.")
    async def confident_mistakes(self, info: Info) -> Share:
        return Share.of(await self._ask(info, insights.surest_mistakes))

    @strawberry.field(description="Of all models; null if no prediction has several ratings.")
    async def agreement(self, info: Info) -> Agreement | None:
        reviewing = await info.context.ask_statistics(insights.reviewing)
        if reviewing is None:
            return None
        agreement = reviewing.agreement
        return Agreement(
            measure=reviewing.measure,
            reviewers=list(reviewing.reviewers),
            value=agreement.value,
            low=agreement.low,
            high=agreement.high,
            n=agreement.n,
            same=Share.of(reviewing.same),
        )

    @strawberry.field
    async def blind(self, info: Info) -> BlindShares:
        blind = await self._ask(info, insights.blind)
        low, high = blind.difference
        return BlindShares(
            blind=Share.of(blind.blind), seen=Share.of(blind.seen), low=low, high=high
        )
