from hobgoblin.refs.contracts cimport Host


cdef class VatHost(Host):
    cpdef post_in(self, object context, object callback)
    cpdef run_woken(self)
