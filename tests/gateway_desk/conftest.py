"""A desk with a filled store for every test that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway_desk.desks import Desk, fill, opened


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as made:
        await fill(made)
        yield made
