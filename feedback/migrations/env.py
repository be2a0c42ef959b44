"""Alembic's entry point: runs the migrations on the connection that feedback.database passes."""

from alembic import context

from feedback.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
