"""What Alembic executes: runs the migrations on the connection that FeedbackLog hands over."""

from alembic import context
from sqlalchemy import text

from feedback.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    if connection.dialect.name == "postgresql":
        # Two processes that start together: the second waits, then finds nothing to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(7409216)"))
    context.run_migrations()
