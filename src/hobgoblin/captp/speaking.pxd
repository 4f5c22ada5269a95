from hobgoblin.captp.crossing cimport Crossing


cdef class Speaker:
    cdef public object wire, dialect, _codec, _version, _octets, _deliver, _one_way
    cdef public Crossing _crossing
    cdef public bint _negative_zero, _learning

    cpdef object _encode(self, object value, object limits, object encode)
