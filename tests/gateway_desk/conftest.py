"""A desk with a filled store for every test that asks; and both databases for those with a central."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway_desk.desks import Desk, fill, opened
from tests.stores import address, postgresql_server, postgresql_template, sqlite_template, store

__all__ = ["address", "postgresql_server", "postgresql_template", "sqlite_template", "store"]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as made:
        await fill(made)
        yield made
