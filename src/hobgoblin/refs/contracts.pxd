cdef class Host:
    cdef public object clock

    cpdef bint here(self) except -1
    cpdef object wait(self, object promise)


cdef class Reporter:
    pass
