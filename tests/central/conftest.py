"""What every test of central may take."""

from collections import Counter

import pytest

from tests.central.hotel import hotel
from tests.stores import CHOSEN_FROM, address, postgresql_server, postgresql_template, sqlite_template, store

__all__ = ["address", "hotel", "postgresql_server", "postgresql_template", "sqlite_template", "store"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count the tests per database before -k or -m leaves some out."""
    found = (item.callspec.params.get("address") for item in items if isinstance(item, pytest.Function) and hasattr(item, "callspec"))
    config.stash[CHOSEN_FROM] = Counter(str(database) for database in found if database)
