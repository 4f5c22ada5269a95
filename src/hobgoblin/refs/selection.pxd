from hobgoblin.refs.message cimport Message


cdef class Selection(Message):
    cdef public object selector
    cdef public bint untag
