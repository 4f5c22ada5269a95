cimport cython

cdef Py_ssize_t _SLOTS, _LONGEST


cdef class Names:
    cdef list _encodings, _names

    @cython.locals(slot=Py_ssize_t, encoding=bytes, known="const unsigned char*", place=Py_ssize_t)
    cdef object find(self, const unsigned char* octets, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(slot=Py_ssize_t)
    cdef learn(self, const unsigned char* octets, Py_ssize_t start, Py_ssize_t end, object name)


@cython.locals(mixed=Py_ssize_t)
cdef Py_ssize_t _slot(const unsigned char* octets, Py_ssize_t start, Py_ssize_t end)
