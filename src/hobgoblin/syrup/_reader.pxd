cimport cython

from hobgoblin.syrup._containers cimport OpenStruct
from hobgoblin.syrup._source cimport OctetSource
from hobgoblin.syrup._tokens cimport number, text

# In the place of the module's own names: these are looked up at no cost.
cdef int LIST, RECORD, VALUE, SET, TOP, KEY, LABEL
cdef Py_ssize_t _ENDLESS
cdef bytes NAN
cdef dict COMMON_SYMBOLS
cdef object MappingProxyType, Record


cdef class ValueReader(OctetSource):
    cdef object _constructors, _label, _positions
    cdef Py_ssize_t _depth, _elements, _glance, _integer_digits, _left
    cdef public Py_ssize_t _length_digits, _message_octets, _start, _stop
    cdef int _kind
    cdef dict _heads, _learned
    cdef list _items, _stack, _structs, _sets

    cpdef bint _begin(self) except *
    cpdef _end(self, Py_ssize_t place, Py_ssize_t stop)
    cpdef str _past_stop(self)

    @cython.locals(
        data=bytes, octets="const unsigned char*", pos=Py_ssize_t, base=Py_ssize_t, stop=Py_ssize_t, end=Py_ssize_t, need=Py_ssize_t,
        run=Py_ssize_t, here=Py_ssize_t, close=Py_ssize_t, amount=Py_ssize_t, most=Py_ssize_t,
        left=Py_ssize_t, glance=Py_ssize_t, octet=int, kind=int, items=list, stack=list, structs=list,
        heads=dict, common=dict, raw=bytes, struct=OpenStruct, double=object,
    )
    cpdef object _read(self)

    cpdef Py_ssize_t _digits_most(self, int kind, int octet) except -1
    cpdef object _symbol(self, bytes raw, Py_ssize_t index)
    cpdef str _path(self)
    cpdef _abandon(self)
