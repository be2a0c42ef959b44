"""The schema's history, run by Alembic when the log is opened.

A migration that adds a total, or changes what one counts, says `REBUILDS = True`; the totals are
then computed anew once all migrations are through (see feedback.database).
"""
