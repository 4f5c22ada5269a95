cdef class Inert:
    pass
