"""What tests of sinks share."""

from collections.abc import Iterator

import pytest

from tests.analyzer.sinks.receiver import Receiver, receiver


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as found:
        yield found
