"""What holds for all tests."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings

# A broker of a test lives for seconds: Java's second compiler takes more of them than it gives.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")

# No property is measured by the clock: machines are shared.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True, scope="session")
def mistakes_are_raised() -> Iterator[None]:
    """Where the daemon goes on although judging failed, a test fails."""

    def again(expectation: str, error: Exception, by: str = "") -> None:
        raise error

    with (
        mock.patch("analyzer.judge.failed", again),
        mock.patch("analyzer.folds.judging.failed", again),
    ):
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever runs tests side by side does not wait for a long one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
