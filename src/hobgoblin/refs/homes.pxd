from hobgoblin.refs.contracts cimport Host
from hobgoblin.refs.message cimport Message


cdef class LocalHome:
    cdef public Host _host

    cpdef accept(self, Message message)
    cpdef object send(self, object target, tuple args, object site)
    cpdef send_unanswered(self, object target, tuple args, object site)
