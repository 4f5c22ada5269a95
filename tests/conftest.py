"""What holds for all tests."""

import gc
from collections.abc import Iterator

import pytest


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
