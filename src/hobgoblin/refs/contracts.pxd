cdef class Reporter:
    pass
