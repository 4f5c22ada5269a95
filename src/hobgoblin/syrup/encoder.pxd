cimport cython

from hobgoblin.syrup._forms cimport HalfSet, HalfStruct, double, integer, octets, string, symbol
from hobgoblin.values cimport Record, SyrupSet

cdef dict SYMBOLS, _SMALL
cdef frozenset _CONTAINERS
cdef object Symbol, substitute
cdef bytes _NEGATIVE_ZERO, _ZERO
cdef Py_ssize_t _LONG, _LARGE


@cython.locals(
    parts=list, stack=list, left=Py_ssize_t, digits=object, depth=Py_ssize_t, most=Py_ssize_t,
    counted=Py_ssize_t, small=dict, part=bytes, end=bytes, closing=bytes, head=bytes,
    struct=HalfStruct, half=HalfSet, record=Record,
)
cpdef list _encode(object value, object encoders, object key_order, object limits, bint negative_zero)
