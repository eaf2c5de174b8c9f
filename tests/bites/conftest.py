"""What the biting tests may take."""

from tests.central.hotel import hotel
from tests.stores import address, postgresql_server, postgresql_template, sqlite_template, store

__all__ = ["address", "hotel", "postgresql_server", "postgresql_template", "sqlite_template", "store"]
