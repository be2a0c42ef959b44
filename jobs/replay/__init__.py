"""Another model over the rated predictions; `python -m jobs.replay` is the command."""
