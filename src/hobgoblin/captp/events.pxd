cimport cython

from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport Ref


cdef class Opened:
    cdef public object peer_location, peer_key, session_id


@cython.freelist(128)
cdef class Delivered:
    # In the order of the fields: Cython makes the dataclass of these.
    cdef public Ref target
    cdef public tuple args
    cdef public Promise answer
    cdef public Ref resolver
    cdef public object ticket, waits


cdef class Selected:
    cdef public object receiver, selector, untag, answer, ticket


cdef class Listened:
    cdef public object target, resolver, ticket


cdef class Introduced:
    cdef public object promise, certificate


@cython.freelist(128)
cdef class Answered:
    cdef public Promise promise
    cdef public object value


cdef class Broke:
    cdef public Promise promise
    cdef public object reason


cdef class Severed:
    cdef public object reason, orphans, abort_reason
