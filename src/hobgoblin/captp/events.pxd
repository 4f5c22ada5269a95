cdef class Opened:
    cdef public object peer_location, peer_key, session_id


cdef class Delivered:
    cdef public object target, args, answer, resolver, ticket, waits


cdef class Selected:
    cdef public object receiver, selector, untag, answer, ticket


cdef class Listened:
    cdef public object target, resolver, ticket


cdef class Introduced:
    cdef public object promise, certificate


cdef class Answered:
    cdef public object promise, value


cdef class Broke:
    cdef public object promise, reason


cdef class Severed:
    cdef public object reason, orphans, abort_reason
