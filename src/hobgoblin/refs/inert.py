"""What references and their methods refuse: everything that an object may be asked for without a name.

Written out, for a compiled class takes no methods later. `inert.pyi` keeps them from type checkers,
which are to complain of ``reference < 3`` instead of taking it for possible.
"""

from typing import NoReturn

__all__ = ["Inert"]


class Inert:
    """Refuses every operation, with a `TypeError` that says what to do instead."""

    __slots__ = ()

    __hash__ = object.__hash__

    def _refuse(self, name: str) -> NoReturn:
        raise NotImplementedError

    # Not here: __array_interface__ and its kin. Without them numpy asks for __array__, and is refused.

    def __lt__(self, other: object) -> NoReturn:
        self._refuse("__lt__")

    def __le__(self, other: object) -> NoReturn:
        self._refuse("__le__")

    def __gt__(self, other: object) -> NoReturn:
        self._refuse("__gt__")

    def __ge__(self, other: object) -> NoReturn:
        self._refuse("__ge__")

    def __bool__(self) -> NoReturn:
        self._refuse("__bool__")

    def __len__(self) -> NoReturn:
        self._refuse("__len__")

    def __length_hint__(self) -> NoReturn:
        self._refuse("__length_hint__")

    def __iter__(self) -> NoReturn:
        self._refuse("__iter__")

    def __next__(self) -> NoReturn:
        self._refuse("__next__")

    def __reversed__(self) -> NoReturn:
        self._refuse("__reversed__")

    def __contains__(self, other: object) -> NoReturn:
        self._refuse("__contains__")

    def __getitem__(self, other: object) -> NoReturn:
        self._refuse("__getitem__")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        self._refuse("__setitem__")

    def __delitem__(self, other: object) -> NoReturn:
        self._refuse("__delitem__")

    def __missing__(self, other: object) -> NoReturn:
        self._refuse("__missing__")

    def __index__(self) -> NoReturn:
        self._refuse("__index__")

    def __int__(self) -> NoReturn:
        self._refuse("__int__")

    def __float__(self) -> NoReturn:
        self._refuse("__float__")

    def __complex__(self) -> NoReturn:
        self._refuse("__complex__")

    def __bytes__(self) -> NoReturn:
        self._refuse("__bytes__")

    def __buffer__(self, other: object) -> NoReturn:
        self._refuse("__buffer__")

    def __trunc__(self) -> NoReturn:
        self._refuse("__trunc__")

    def __round__(self, *digits: object) -> NoReturn:
        self._refuse("__round__")

    def __floor__(self) -> NoReturn:
        self._refuse("__floor__")

    def __ceil__(self) -> NoReturn:
        self._refuse("__ceil__")

    def __neg__(self) -> NoReturn:
        self._refuse("__neg__")

    def __pos__(self) -> NoReturn:
        self._refuse("__pos__")

    def __abs__(self) -> NoReturn:
        self._refuse("__abs__")

    def __invert__(self) -> NoReturn:
        self._refuse("__invert__")

    def __add__(self, other: object) -> NoReturn:
        self._refuse("__add__")

    def __radd__(self, other: object) -> NoReturn:
        self._refuse("__radd__")

    def __iadd__(self, other: object) -> NoReturn:
        self._refuse("__iadd__")

    def __sub__(self, other: object) -> NoReturn:
        self._refuse("__sub__")

    def __rsub__(self, other: object) -> NoReturn:
        self._refuse("__rsub__")

    def __isub__(self, other: object) -> NoReturn:
        self._refuse("__isub__")

    def __mul__(self, other: object) -> NoReturn:
        self._refuse("__mul__")

    def __rmul__(self, other: object) -> NoReturn:
        self._refuse("__rmul__")

    def __imul__(self, other: object) -> NoReturn:
        self._refuse("__imul__")

    def __matmul__(self, other: object) -> NoReturn:
        self._refuse("__matmul__")

    def __rmatmul__(self, other: object) -> NoReturn:
        self._refuse("__rmatmul__")

    def __imatmul__(self, other: object) -> NoReturn:
        self._refuse("__imatmul__")

    def __truediv__(self, other: object) -> NoReturn:
        self._refuse("__truediv__")

    def __rtruediv__(self, other: object) -> NoReturn:
        self._refuse("__rtruediv__")

    def __itruediv__(self, other: object) -> NoReturn:
        self._refuse("__itruediv__")

    def __floordiv__(self, other: object) -> NoReturn:
        self._refuse("__floordiv__")

    def __rfloordiv__(self, other: object) -> NoReturn:
        self._refuse("__rfloordiv__")

    def __ifloordiv__(self, other: object) -> NoReturn:
        self._refuse("__ifloordiv__")

    def __mod__(self, other: object) -> NoReturn:
        self._refuse("__mod__")

    def __rmod__(self, other: object) -> NoReturn:
        self._refuse("__rmod__")

    def __imod__(self, other: object) -> NoReturn:
        self._refuse("__imod__")

    def __divmod__(self, other: object) -> NoReturn:
        self._refuse("__divmod__")

    def __rdivmod__(self, other: object) -> NoReturn:
        self._refuse("__rdivmod__")

    def __pow__(self, other: object, modulo: object = None) -> NoReturn:
        self._refuse("__pow__")

    def __rpow__(self, other: object, modulo: object = None) -> NoReturn:
        self._refuse("__rpow__")

    def __ipow__(self, other: object) -> NoReturn:
        self._refuse("__ipow__")

    def __lshift__(self, other: object) -> NoReturn:
        self._refuse("__lshift__")

    def __rlshift__(self, other: object) -> NoReturn:
        self._refuse("__rlshift__")

    def __ilshift__(self, other: object) -> NoReturn:
        self._refuse("__ilshift__")

    def __rshift__(self, other: object) -> NoReturn:
        self._refuse("__rshift__")

    def __rrshift__(self, other: object) -> NoReturn:
        self._refuse("__rrshift__")

    def __irshift__(self, other: object) -> NoReturn:
        self._refuse("__irshift__")

    def __and__(self, other: object) -> NoReturn:
        self._refuse("__and__")

    def __rand__(self, other: object) -> NoReturn:
        self._refuse("__rand__")

    def __iand__(self, other: object) -> NoReturn:
        self._refuse("__iand__")

    def __xor__(self, other: object) -> NoReturn:
        self._refuse("__xor__")

    def __rxor__(self, other: object) -> NoReturn:
        self._refuse("__rxor__")

    def __ixor__(self, other: object) -> NoReturn:
        self._refuse("__ixor__")

    def __or__(self, other: object) -> NoReturn:
        self._refuse("__or__")

    def __ror__(self, other: object) -> NoReturn:
        self._refuse("__ror__")

    def __ior__(self, other: object) -> NoReturn:
        self._refuse("__ior__")

    def __enter__(self) -> NoReturn:
        self._refuse("__enter__")

    def __exit__(self, *exception: object) -> NoReturn:
        self._refuse("__exit__")

    def __aenter__(self) -> NoReturn:
        self._refuse("__aenter__")

    def __aexit__(self, *exception: object) -> NoReturn:
        self._refuse("__aexit__")

    def __aiter__(self) -> NoReturn:
        self._refuse("__aiter__")

    def __anext__(self) -> NoReturn:
        self._refuse("__anext__")

    def __copy__(self) -> NoReturn:
        self._refuse("__copy__")

    def __deepcopy__(self, other: object) -> NoReturn:
        self._refuse("__deepcopy__")

    def __reduce__(self) -> NoReturn:
        self._refuse("__reduce__")

    def __reduce_ex__(self, other: object) -> NoReturn:
        self._refuse("__reduce_ex__")

    def __getstate__(self) -> NoReturn:
        self._refuse("__getstate__")

    def __setstate__(self, other: object) -> NoReturn:
        self._refuse("__setstate__")

    def __getnewargs__(self) -> NoReturn:
        self._refuse("__getnewargs__")

    def __getnewargs_ex__(self) -> NoReturn:
        self._refuse("__getnewargs_ex__")

    def __fspath__(self) -> NoReturn:
        self._refuse("__fspath__")

    def __array__(self, *args: object) -> NoReturn:
        self._refuse("__array__")

    def __array_ufunc__(self, *args: object) -> NoReturn:
        self._refuse("__array_ufunc__")

    def __array_function__(self, *args: object) -> NoReturn:
        self._refuse("__array_function__")

    def __release_buffer__(self, other: object) -> NoReturn:
        self._refuse("__release_buffer__")

    def __dlpack__(self, *args: object) -> NoReturn:
        self._refuse("__dlpack__")
