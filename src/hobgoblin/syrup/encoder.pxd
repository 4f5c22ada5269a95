cimport cython

from hobgoblin.syrup._forms cimport HalfSet, HalfStruct, Key, RecordForm, double, integer, octets, string, substitute, symbol
from hobgoblin.syrup._output cimport Output
from hobgoblin.values cimport Record, Symbol, SyrupSet

cdef bint COMPILED
cdef dict _SMALL, _NONE_SMALL
cdef object MappingProxyType, DEFAULT_LIMITS, _DECODED, _NO_ENCODERS
cdef bytes _NEGATIVE_ZERO, _ZERO
cdef Py_ssize_t WORD_DIGITS, _ENDLESS, _LARGE, _LONG, _NESTED, _SPARES
cdef frozenset _ATOMS
cdef list _SPARE
cdef Allowance _USUAL


cdef class Allowance:
    cdef object limits
    cdef Py_ssize_t depth, digits, elements, octets
    cdef dict small


cpdef list joined(object parts)
@cython.locals(allowed=Allowance, writer=Writer)
cdef bytes _encode(object value, object encoders, object key_order, object limits, bint negative_zero)
@cython.locals(writer=Writer, out=Output)
cpdef Writer begun(object encoders, Allowance allowed, bint negative_zero, object key_order=*)


cdef class Writer:
    cdef public Output out
    cdef object _encoders, _key_order
    cdef Allowance _allowed
    cdef Py_ssize_t _ceiling, _counted, _left
    cdef dict _table
    cdef list _halted

    cpdef write(self, object value)
    @cython.locals(written=bint)
    cdef bint _outermost(self, object value) except -1
    @cython.locals(out=Output, left=Py_ssize_t, index=Py_ssize_t)
    cdef bint _simple_first(self, tuple values) except -1
    @cython.locals(encoded=bytes)
    cdef bytes take(self)
    @cython.locals(out=Output, encoded=bytes, pieces=list, size=Py_ssize_t)
    cpdef object take_message(self, bint prefixed, bint cuts)
    @cython.locals(allowed=Allowance)
    cdef _end(self, Py_ssize_t size)
    @cython.locals(index=Py_ssize_t, depth=Py_ssize_t, closing=bytes, done=bint)
    cdef _go_on(self)
    @cython.locals(out=Output, parts=list, left=Py_ssize_t, small=dict, part=bytes, kind=type)
    cdef bint _items(
        self, object values, Py_ssize_t index, object container, bytes closing, Py_ssize_t depth
    ) except -1
    @cython.locals(out=Output, closing=bytes, table=dict, kind=type, form=RecordForm, position=Py_ssize_t)
    cdef object _inner(self, object item, Py_ssize_t depth)
    cdef _count(self, Py_ssize_t size)
    cdef _count_label(self)


@cython.locals(out=Output)
cpdef bytes positions(list numbers)
