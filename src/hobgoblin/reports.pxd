cimport cython

from hobgoblin.passages cimport Origin
from hobgoblin.refs.contracts cimport Reporter
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport Ref


cdef class Report(Reporter):
    cdef public Origin connection
    cdef public Ref resolver
    cdef public object ticket

    @cython.locals(connection=Origin)
    cpdef settled(self, Promise promise)
    @cython.locals(connection=Origin)
    cpdef follows(self, Promise root)


@cython.locals(report=Report)
cpdef Report report_to(Origin connection, Ref resolver, object ticket)
cpdef bint is_passed_on(Promise promise) except *
