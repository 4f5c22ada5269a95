from hobgoblin.refs.contracts cimport Reporter


cdef class Report(Reporter):
    cdef public object connection, resolver, ticket
