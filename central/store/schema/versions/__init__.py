"""The numbered steps of the database, oldest first; Alembic finds them by name."""
