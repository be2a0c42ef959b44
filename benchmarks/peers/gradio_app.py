"""A sentiment demo as Gradio's documentation teaches it; BATCH=16 has it batch the queue."""

import os
from typing import Any

import gradio as gr
from transformers import pipeline

classify = pipeline("text-classification", model=os.environ["PEER_MODEL"])
BATCH = int(os.environ.get("BATCH", "0"))


def one(text: str) -> dict[str, float]:
    return {item["label"]: item["score"] for item in classify(text, top_k=None, truncation=True)}


def many(texts: list[str]) -> Any:
    made = classify(list(texts), top_k=None, truncation=True, batch_size=len(texts))
    return [[{item["label"]: item["score"] for item in items} for items in made]]


app = gr.Interface(
    many if BATCH else one,
    gr.Textbox(),
    gr.Label(),
    api_name="predict",
    flagging_mode="never",
    **({"batch": True, "max_batch_size": BATCH} if BATCH else {}),
)
app.queue(max_size=None)
app.launch(server_name="127.0.0.1", server_port=int(os.environ["PORT"]), quiet=True)
