from hobgoblin.refs.message cimport Message


cdef class LocalHome:
    cpdef accept(self, Message message)
    cpdef object send(self, object target, tuple args, object site)
