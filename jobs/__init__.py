"""Long work without a page: loading models, batches, replays, the challenger.

Knows neither Streamlit nor HTTP: pages, routes and commands start a job and read its progress.
"""
