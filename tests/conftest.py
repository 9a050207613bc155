"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# No property is measured by the clock: machines are shared.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
