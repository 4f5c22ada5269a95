"""What holds for all tests."""

import gc
import signal
from collections.abc import Iterator

import pytest


def pytest_configure() -> None:
    """Heed Ctrl-C also where a shell has started the tests in the background, and told them to ignore it.

    What the tests start would inherit that, and programs that are sent Ctrl-C would wait for ever.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def small_heap() -> Iterator[None]:
    """Leave what exists already out of collections: in tests that collect, most of the time went into it.

    Each module does so anew, for a simulation ends with everything back in the collector's hands. What a
    module leaves to the collector complains in that module, not in a later one.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.collect()
