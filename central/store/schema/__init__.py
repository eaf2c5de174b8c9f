"""Alembic's folder: its entry and the numbered migrations."""
