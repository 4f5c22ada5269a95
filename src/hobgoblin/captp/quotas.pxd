cimport cython

cdef object _ONE


# What it holds leads nowhere.
@cython.no_gc
cdef class Ticket:
    cdef object _dropped, _entry


cdef class Quota:
    cdef str _what
    cdef Py_ssize_t _most, _taken
    cdef object _dropped

    @cython.locals(ticket=Ticket)
    cpdef Ticket take(self)


cdef class Queues:
    cdef Py_ssize_t _each, _each_octets, _messages, _most, _most_octets, _octets
    cdef dict _by_key
    cdef object _dropped
