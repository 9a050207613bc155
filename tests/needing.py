"""What a test needs of the machine."""

import os
from typing import NoReturn

import pytest


def lacking(what: str, cure: str) -> NoReturn:
    """In CI it is a failure that something cannot be had; elsewhere the test is skipped for it."""
    reason = f"needs {what}: {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
