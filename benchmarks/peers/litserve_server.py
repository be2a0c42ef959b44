"""A sentiment server as LitServe's documentation teaches it, with its batches."""

import os
from typing import Any

import litserve as ls

from benchmarks.peers.answering import answering


class Sentiment(ls.LitAPI):  # type: ignore[misc]  # not installed where types are checked
    def setup(self, device: str) -> None:
        self.answer = answering()

    def decode_request(self, request: dict[str, str]) -> str:
        return request["text"]

    def predict(self, texts: list[str]) -> Any:
        return self.answer(texts)

    def encode_response(self, output: Any) -> Any:
        return output


if __name__ == "__main__":
    api = Sentiment(max_batch_size=32, batch_timeout=0.01)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False)
