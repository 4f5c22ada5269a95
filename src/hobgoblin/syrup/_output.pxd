cimport cython

from hobgoblin.syrup._forms cimport Key
from hobgoblin.syrup._tokens cimport put_double
from hobgoblin.values cimport Symbol

cdef bint COMPILED
cdef Py_ssize_t _ROOM, _BEGIN, _SHORT, _MOST
cdef long long _WORD
cdef bytes NAN


cdef class Output:
    cdef public list parts
    cdef public bint words, negative_zero
    cdef public Py_ssize_t around, taken
    cdef bytearray _room
    cdef Py_ssize_t _at

    @cython.locals(size=Py_ssize_t)
    cdef put(self, bytes part)
    cdef put_beside(self, bytes part)
    @cython.locals(octets="unsigned char*", start=Py_ssize_t)
    cdef put_around(self, bytes before, Py_ssize_t number, bytes behind)
    @cython.locals(octets="unsigned char*", part=bytes)
    cdef Py_ssize_t mark(self) except -1
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t, size=Py_ssize_t, joined=bytes, encoded=bytes, octets="unsigned char*")
    cdef bytes take(self, bint prefixed)
    @cython.locals(octets="unsigned char*", kind=type, raw=bytes, key=Key, symbol=Symbol, text=str, number="long long")
    cdef bint atom(self, object value) except -1
    @cython.locals(size=Py_ssize_t, octets="unsigned char*")
    cdef bint _sized(self, bytes raw, int octet) except -1
    @cython.locals(octets="unsigned char*", end=Py_ssize_t, rest="unsigned long long", number="unsigned long long")
    cdef void _digits(self, unsigned long long number) noexcept
    @cython.locals(octets="unsigned char*", at=Py_ssize_t, place=Py_ssize_t)
    cdef void _copy(self, const unsigned char* part, Py_ssize_t size) noexcept
