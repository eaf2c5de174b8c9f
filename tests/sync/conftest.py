"""A property at central and its box, over real stores; the line between them is given by each test."""

from tests.stores import address, postgresql_server, postgresql_template, sqlite_template, store

__all__ = ["address", "postgresql_server", "postgresql_template", "sqlite_template", "store"]
