"""Servers that we did not write, asked by a remote model: the texts are those of this process.

A folder here is a server: its packages, in an environment of their own.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import torch
import transformers as tf

from model import Model, ModelLoadError
from model.remote import RemoteModel
from settings import ROOT
from tests.helpers import tiny
from tests.helpers.scripted import remote
from tests.helpers.server import free_port
from tests.helpers.until import until

TEXTS = ["The battery lasts two days.", "Nobody answers the phone.", "Müde, 你好 🙂"]
SPECIAL_AND_BYTES = 3 + 256  # the first tokens of the tiny tokenizer

pytestmark = pytest.mark.deploy


def writer_of_words(folder: Path) -> Path:
    """A tiny model that chats and never writes the bytes of half a character.

    A stream of texts has no such bytes, the texts of this process have.
    """
    tiny.llama(folder, chat=True, max_tokens=512)
    model = tf.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.lm_head.weight[:SPECIAL_AND_BYTES] = 0
    model.save_pretrained(folder)
    return folder


@contextmanager
def transformers_serve(folder: Path, cache: Path) -> Iterator[str]:
    """`transformers serve` with the model in `folder` and an empty cache of others."""
    cache.mkdir()
    program = ROOT / ".cache" / "servers" / "transformers-serve" / "bin" / "transformers"
    port = free_port()
    options = ["--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [program, "serve", folder, *options],
        env=os.environ | {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: process.poll() is not None or _is_healthy(port))
        assert process.poll() is None
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _is_healthy(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health").is_success
    except httpx2.TransportError:
        return False


def test_a_chat_and_a_text_are_continued_as_in_this_process(tmp_path: Path) -> None:
    folder = writer_of_words(tmp_path / "writer")
    model = Model(str(folder), device="cpu")
    model.load()
    with (
        transformers_serve(folder, tmp_path / "hub") as url,
        remote(url, api="openai", task="text-generation") as there,
    ):
        for params in ({"max_new_tokens": 24}, {"max_new_tokens": 24, "chat": False}):
            expected = [made.output for made in model.predict(TEXTS, params)]
            assert [made.output for made in there.predict(TEXTS, params)] == expected
            growing = there.stream(TEXTS[0], params, bulk=True)
            assert growing.future.result(60).output == expected[0]
        with pytest.raises(ModelLoadError, match="pinned"):
            RemoteModel(url, api="openai", task="text-generation", name="other").load()
    model.close()
