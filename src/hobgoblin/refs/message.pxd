cimport cython


@cython.freelist(128)
cdef class Message:
    cdef public object answer, cause, home, site, target, ticket, waits
    cdef public tuple args

    cpdef dispatch(self)
    cpdef meet(self, object value)
    cpdef fail(self, object error)


cdef object _frame_at
cdef Py_ssize_t _CALLER
cdef dict _verbs

@cython.locals(message=Message)
cpdef Message message_to(object target, tuple args, object answer, object home, object site)
cpdef object call_site(Py_ssize_t depth, object called=*)
cpdef object verb_of(str name)
