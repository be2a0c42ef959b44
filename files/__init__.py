"""Tables in and out: what people upload, paste and download, and the sources of jobs.

Imports nothing of ours: knows neither the model nor the log.
"""
