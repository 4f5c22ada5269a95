"""The owners, pairs and strangers of `hobgoblin.testing`, as fixtures."""

from __future__ import annotations

import pytest

from hobgoblin import testing


@pytest.fixture
def result():
    return testing.outcome


@pytest.fixture
def owner():
    return testing.SessionOwner


@pytest.fixture
def make_pair():
    """A function that makes a pair: alice dials bob."""
    return testing.SessionPair.make


@pytest.fixture
def pair(make_pair):
    return make_pair()


@pytest.fixture
def stranger():
    return testing.Stranger


@pytest.fixture
def keys():
    return testing.keys_of


@pytest.fixture
def location():
    return testing.location_of
