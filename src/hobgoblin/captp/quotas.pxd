cimport cython

cdef tuple _ONE
cdef Py_ssize_t _DROPPED, _ENDLESS


# What it holds are numbers: it leads nowhere.
@cython.no_gc
cdef class Ticket:
    cdef list _dropped
    cdef tuple _entry


cdef class Quota:
    cdef str _what
    cdef Py_ssize_t _most, _taken
    cdef list _dropped

    @cython.locals(dropped=list, ticket=Ticket)
    cpdef Ticket take(self)


cdef class Queues:
    cdef Py_ssize_t _each, _each_octets, _messages, _most, _most_octets, _octets
    cdef dict _by_key
    cdef list _dropped


cpdef list emptied(list queue)
