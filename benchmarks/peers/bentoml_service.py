"""A sentiment service as BentoML's documentation teaches it, with its adaptive batches."""

import bentoml

from benchmarks.peers.answering import Answer, answering


@bentoml.service(name="sentiment", workers=1)
class Sentiment:
    def __init__(self) -> None:
        self.answer = answering()

    # Types are checked where BentoML is not installed.
    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=1000)  # type: ignore[untyped-decorator]
    def predict(self, texts: list[str]) -> list[Answer]:
        return self.answer(texts)
