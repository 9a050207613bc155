"""What holds for all tests."""

import pytest
from hypothesis import HealthCheck, settings

# No property is measured by the clock: machines are shared.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever runs tests side by side does not wait for a long one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
