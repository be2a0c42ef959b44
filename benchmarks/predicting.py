"""Texts a second of Model.predict, measured once for each line on stdin.

Run as a file, with PYTHONPATH naming a tree: python -P predicting.py TEXTS RUNTIME MODEL. So both
sides of a comparison are measured by this file, and it uses nothing of a tree but class Model.
"""

import json
import sys
import time
from pathlib import Path

COUNT = 600


def main(file: str, runtime: str, model_id: str) -> None:
    from model import Model  # of the tree that is measured

    texts = Path(file).read_text(encoding="utf-8").splitlines()[:COUNT]
    model = Model(model_id, device="cpu", runtime=runtime, dtype="auto")
    model.load()
    model.predict(texts)  # warm
    print(json.dumps(model.info.dtype), flush=True)
    for _ in sys.stdin:
        started_s = time.perf_counter()
        model.predict(texts)
        print(json.dumps(len(texts) / (time.perf_counter() - started_s)), flush=True)
    model.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
