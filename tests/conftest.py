"""What holds for every test: the optional lanes, a home of its own, no deadline for properties on a busy machine."""

import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests.lanes import LANES

REQUIRE_ALL = bool(os.environ.get("LATCHKEY_REQUIRE_ALL"))

settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session", autouse=True)
def no_home_of_a_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the hotel of the person who runs it, not even one that forgets to name a home."""
    before = os.environ.get("LATCHKEY_HOME")
    os.environ["LATCHKEY_HOME"] = str(tmp_path_factory.mktemp("home"))
    yield
    if before is None:
        del os.environ["LATCHKEY_HOME"]
    else:
        os.environ["LATCHKEY_HOME"] = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a lane that is missing, by name."""
    missing = {lane.name: lane.missing for lane in LANES if not lane.present()}
    for item in items:
        for name in missing.keys() & {mark.name for mark in item.iter_markers()}:
            item.add_marker(pytest.mark.skip(reason=missing[name]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With --require-all nothing is left out: a skip is a failure."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was left out although everything is required: {report.longrepr}"
    return report
