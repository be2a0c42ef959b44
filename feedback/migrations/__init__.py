"""The schema's history, run by Alembic when the log is opened."""
