cdef class Message:
    cdef public object answer, cause, home, site, target, ticket, waits
    cdef public tuple args

    cpdef dispatch(self)
    cpdef meet(self, object value)
    cpdef fail(self, object error)


cpdef object call_site(Py_ssize_t depth, object called=*)
cpdef object verb_of(str name)
