cimport cython

from hobgoblin.values cimport Symbol


cdef class OpenStruct:
    cdef public dict entries
    cdef public object key
    cdef str _name
    cdef bint _ascii, _by_text

    @cython.locals(name=str, in_ascii=bint, ascends=bint)
    cdef str begin(self, object key, Py_ssize_t size)


cdef class OpenSet:
    cdef Py_ssize_t _mark, _previous

    @cython.locals(start=Py_ssize_t, previous=Py_ssize_t)
    cpdef str check(self, Py_ssize_t end, object octets)


cdef str _name(object key)
