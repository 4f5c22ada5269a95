cdef class OpenStruct:
    cdef public dict entries
    cdef public object key
    cdef bytes _octets
    cdef bint _by_octets, _by_text

    cpdef str begin(self, object key, bytes octets)


cdef class OpenSet:
    cdef Py_ssize_t _mark, _previous


cdef str _name(object key)
cdef bint _ascend(str first, str second) except -1
