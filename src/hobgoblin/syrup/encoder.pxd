cimport cython

from hobgoblin.syrup._forms cimport HalfSet, HalfStruct, Key, RecordForm, double, integer, octets, string, substitute, symbol
from hobgoblin.syrup._output cimport Output
from hobgoblin.values cimport Record, Symbol, SyrupSet

cdef bint COMPILED
cdef dict _SMALL, _NONE_SMALL
cdef object MappingProxyType, DEFAULT_LIMITS, _NO_ENCODERS
cdef bytes _NEGATIVE_ZERO, _ZERO
cdef Py_ssize_t WORD_DIGITS, _LARGE, _LONG, _NESTED
cdef list _SPARE


@cython.locals(walk=_Walk, encoded=bytes)
cdef bytes _encode(object value, object encoders, object key_order, object limits, bint negative_zero)
@cython.locals(walk=_Walk, out=Output, encoded=bytes, pieces=list)
cdef object _encode_pieces(object value, object encoders, object limits, bint negative_zero)
@cython.locals(walk=_Walk)
cdef _Walk _written(object value, object encoders, object key_order, object limits, bint negative_zero)
cdef _put_back(_Walk walk, Py_ssize_t size)


cdef class _Walk:
    cdef Output _out
    cdef object _encoders, _key_order, _limits
    cdef Py_ssize_t _ceiling, _counted, _depth, _digits, _elements, _left, _most
    cdef bint _negative_zero
    cdef dict _small, _table
    cdef list _halted

    cdef _hold_to(self, object limits)
    cdef _begin(self, object encoders, object key_order, object limits, bint negative_zero)
    @cython.locals(index=Py_ssize_t, depth=Py_ssize_t, closing=bytes, done=bint)
    cdef write(self, tuple values)
    @cython.locals(out=Output, parts=list, left=Py_ssize_t, small=dict, part=bytes, kind=type)
    cdef bint _items(
        self, object values, Py_ssize_t index, object container, bytes closing, Py_ssize_t depth
    ) except -1
    @cython.locals(out=Output, closing=bytes, table=dict, kind=type)
    cdef object _inner(self, object item, Py_ssize_t depth)
    cdef _count_label(self)
