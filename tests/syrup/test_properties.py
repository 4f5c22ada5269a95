"""Round trips of whatever hypothesis thinks of."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from hobgoblin.errors import SyrupError
from hobgoblin.syrup import KeyOrder, decode, encode
from hobgoblin.values import Limits, Record, Symbol, SyrupSet

TEXT = st.text(max_size=12)  # without surrogates
NAMES = TEXT.map(Symbol)
ATOMS = st.one_of(
    st.booleans(), st.integers(), st.floats(), TEXT, st.text("ab\uffee🚀"), NAMES, st.binary(max_size=40)
)


def _set_of(values: list[object]) -> SyrupSet:
    return SyrupSet(tuple({encode(value): value for value in values}.values()))


def _containers(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    # No dictionaries() and no unique_by: a draw repeated there spells out the whole nested strategy,
    # and hypothesis warns of its length.
    items = st.lists(inner, max_size=5)
    return st.one_of(
        items.map(tuple),
        st.lists(st.tuples(TEXT, inner), max_size=5).map(dict),
        st.lists(st.tuples(NAMES, inner), max_size=5).map(dict),
        st.builds(Record, NAMES, items.map(tuple)),
        items.map(_set_of),
    )


VALUES = st.recursive(ATOMS, _containers, max_leaves=25)
SYRUP_LIKE = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"<",
                b">",
                b"[",
                b"]",
                b"{",
                b"}",
                b"#",
                b"$",
                b"t",
                b"f",
                b"0+",
                b"1-",
                b'1"a',
                b"1'b",
                b'2"aa',
                b"1:c",
            ]
        ),
        st.binary(max_size=3),
    ),
    max_size=20,
).map(b"".join)


@given(VALUES, st.sampled_from((KeyOrder.DECODED, KeyOrder.CANONICAL)))
def test_values_come_back(value: object, order: KeyOrder) -> None:
    octets = encode(value, key_order=order)
    found = decode(octets)
    assert encode(found, key_order=order) == octets
    assert encode(found, key_order=KeyOrder.KEEP) == octets
    if "nan" not in repr(value) and "SyrupSet" not in repr(value):
        assert found == value


@given(VALUES)
def test_orders_differ_in_nothing_but_order(value: object) -> None:
    lengths = {len(encode(value, key_order=order)) for order in KeyOrder}
    assert len(lengths) == 1


@given(st.one_of(st.binary(max_size=60), SYRUP_LIKE))
@settings(max_examples=500)
def test_octets_are_refused_or_written_back_as_they_came(octets: bytes) -> None:
    with contextlib.suppress(SyrupError):
        assert encode(decode(octets), key_order=KeyOrder.KEEP) == octets


@given(VALUES, st.integers(1, 12), st.integers(1, 3), st.integers(1, 60), st.integers(1, 20))
def test_both_directions_hold_to_the_same_limits(
    value: object, elements: int, depth: int, message: int, digits: int
) -> None:
    octets = encode(value)
    limits = Limits(elements=elements, depth=depth, message_bytes=message, integer_digits=digits)

    def taken(call: object) -> bool:
        try:
            decode(octets, limits=limits) if call is decode else encode(value, limits=limits)
        except SyrupError:
            return False
        return True

    assert taken(decode) is taken(encode)
