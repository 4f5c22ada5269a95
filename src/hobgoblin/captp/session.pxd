cimport cython

from hobgoblin.captp.crossing cimport Crossing, ResolverAt
from hobgoblin.captp.events cimport Answered, Broke, Delivered, Listened, Selected
from hobgoblin.captp.quotas cimport Queues, Quota
from hobgoblin.captp.speaking cimport Speaker
from hobgoblin.captp.tables cimport Exports
from hobgoblin.messages cimport OpDeliver, OpGcAnswers, OpGcExports
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport LocalRef, Ref
from hobgoblin.values cimport AnyDecoder

cdef int FULFILLED, ROUTE_ANSWER, ROUTE_SELECTED
cdef object HANDSHAKE, OPEN, SEVERED
cdef object NEED_MORE, HELD
cdef Py_ssize_t _ENDLESS


cdef class Session(Speaker):
    cdef object __weakref__
    cdef public object state, location, proved, peer_location, peer_key, session_id
    cdef public object severed_because, abort_reason
    cdef public object _keys, _sink, _new_promise, _dialled, _settings_of, _admit
    cdef public object _deadline, _relays, kept
    cdef public bint _initiator
    cdef public list _events
    cdef public Py_ssize_t _most_unsent, _next_question, _received, _releases
    cdef public Py_ssize_t _bytes_received, _ignored, _refused, _awaited, _own_exports
    cdef public Py_ssize_t _room, _most_awaited, _most_kept, _most_exports
    cdef public Quota _listeners
    cdef public Queues _queues
    cdef public Ref bootstrap
    cdef AnyDecoder _own_decoder

    @cython.locals(handled=Py_ssize_t, limit=Py_ssize_t, own=AnyDecoder)
    cpdef Py_ssize_t _read(self, object data, object most) except -1
    cpdef bint _is_severed(self) except *
    # A question is one object for all that keep its position.
    @cython.locals(crossing=Crossing, question=object)
    cpdef deliver(self, object target, tuple args, Promise answer)
    cpdef tell(self, Ref resolver, object verb, object value)
    @cython.locals(crossing=Crossing, strays=Py_ssize_t, deliver=OpDeliver)
    cpdef _handle(self, object message)
    @cython.locals(
        crossing=Crossing, answer=Promise, target=Ref, promise=Promise, at=ResolverAt, resolver=Ref,
        event=Delivered,
    )
    cpdef _handle_op_deliver(self, OpDeliver op)
    @cython.locals(promise=Promise, answered=Answered)
    cpdef _handle_resolution(self, object pos, tuple args)
    @cython.locals(abandoned=Promise, deltas=tuple, exports=Exports, index=Py_ssize_t)
    cpdef _handle_op_gc_exports(self, OpGcExports op)
    @cython.locals(answers=dict)
    cpdef _handle_op_gc_answers(self, OpGcAnswers op)
    cpdef _require_room(self, bint asks)
    cpdef _not_open(self)
    cpdef _write(self, object op)
