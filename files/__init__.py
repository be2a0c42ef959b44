"""Tables in and out: what people upload, paste and download, as texts and bytes.

Imports nothing of ours: knows neither the model nor the log.
"""
