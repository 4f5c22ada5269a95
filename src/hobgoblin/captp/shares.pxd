cdef class Charges:
    cdef public dict by_pos
    cdef public object share

    cpdef drop(self, object pos)
