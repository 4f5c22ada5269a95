cimport cython

from hobgoblin.refs.reference cimport NamedBehaviour
from hobgoblin.values cimport Keyword

cdef object Shaped


cdef class Signature:
    cdef public list kinds, positional, names
    cdef public dict by_name
    cdef public object rest, more


cdef class Guard(NamedBehaviour):
    cdef public tuple _kinds
    cdef public Signature _signature
    cdef public object function, owner
    cdef public bint method

    @cython.locals(kinds=tuple, count=Py_ssize_t, index=Py_ssize_t)
    cpdef bint fits(self, tuple args)
