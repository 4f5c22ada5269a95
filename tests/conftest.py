"""What holds for all tests."""

import gc


def pytest_collection_finish() -> None:
    """Leave what exists already out of collections: in tests that collect, most of the time went into it."""
    gc.collect()
    gc.freeze()
