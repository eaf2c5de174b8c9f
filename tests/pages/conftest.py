"""What the page tests may take: a small hotel in a database of either kind, and central's pages over it."""

from tests.pages.desk import desk
from tests.stores import address, postgresql_server, postgresql_template, sqlite_template, store

__all__ = ["address", "desk", "postgresql_server", "postgresql_template", "sqlite_template", "store"]
