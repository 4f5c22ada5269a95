cimport cython

from hobgoblin.syrup._forms cimport Key
from hobgoblin.syrup._tokens cimport put_double
from hobgoblin.values cimport Symbol

cdef bint COMPILED
cdef Py_ssize_t _ROOM, _BEGIN, _SHORT, _MOST
cdef long long _WORD
cdef bytes NAN


ctypedef unsigned char Room[4096]


cdef class Output:
    cdef public list parts
    cdef public bint words, negative_zero
    cdef public Py_ssize_t around, taken
    cdef Room _room
    cdef Py_ssize_t _at

    @cython.locals(size=Py_ssize_t)
    cdef put(self, bytes part)
    cdef put_position(self, bytes before, Py_ssize_t number)
    cdef put_beside(self, bytes part)
    @cython.locals(start=Py_ssize_t, part=bytes)
    cdef put_around(self, bytes before, Py_ssize_t number, bytes behind)
    @cython.locals(start=Py_ssize_t, part=bytes)
    cdef put_two(self, Py_ssize_t first, bytes between, Py_ssize_t second, bytes behind)
    @cython.locals(part=bytes)
    cdef Py_ssize_t mark(self) except -1
    @cython.locals(start=Py_ssize_t, end=Py_ssize_t, size="unsigned long long", joined=bytes, encoded=bytes)
    cdef bytes take(self, bint prefixed)
    @cython.locals(kind=type, raw=bytes, key=Key, symbol=Symbol, text=str, number="long long")
    cdef bint atom(self, object value) except -1
    @cython.locals(size=Py_ssize_t)
    cdef bint _sized(self, bytes raw, int octet) except -1
    cdef void _position(self, Py_ssize_t number) noexcept
    @cython.locals(end=Py_ssize_t, rest="unsigned long long", number="unsigned long long")
    cdef void _digits(self, unsigned long long number) noexcept
    @cython.locals(at=Py_ssize_t)
    cdef void _copy(self, unsigned char* part, Py_ssize_t size) noexcept
