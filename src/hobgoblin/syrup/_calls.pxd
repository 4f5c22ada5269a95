from hobgoblin.syrup._reader cimport ValueReader

cdef bint COMPILED


cdef class CallReader(ValueReader):
    cdef object _calls
