cimport cython

from hobgoblin.refs.homes cimport LocalHome
from hobgoblin.refs.message cimport Message, message_to
from hobgoblin.refs.promise cimport Promise, promise_of
from hobgoblin.refs.reference cimport LocalRef, Ref
from hobgoblin.vat.contracts cimport VatHost
from hobgoblin.vat.invoke cimport invoke
from hobgoblin.vat.passing cimport pass_arguments, pass_value

cdef Py_ssize_t CALLER
cdef object Nobody, _COROUTINE


cdef class Vat(LocalHome):
    cdef object __weakref__
    cdef public object name, _put, _take, _run_turns, _clock, _context, _queue, _held, _stepping, _dependents, _journal, _ended, _left_behind
    cdef public double _slice, _slow
    cdef public dict _stretches
    cdef public bint _awake, _draining, _stopped, _failing, _open, _recording
    cdef public LocalRef _running
    cdef public list _effects, _undo, _spawned, _becomes

    cpdef accept(self, Message message)
    @cython.locals(answer=Promise, message=Message, way=Ref)
    cpdef object send(self, object target, tuple args, object site)
    @cython.locals(message=Message, way=Ref)
    cpdef send_unanswered(self, object target, tuple args, object site)
    cpdef effect(self, object effect)
    cpdef call_near(self, object target, tuple args, dict kwargs)
    cpdef _begin(self, LocalRef running)
    @cython.locals(message=Message, target=Ref, near=LocalRef, effects=list)
    cpdef _commit(self)
    cpdef _abandon(self)
    cpdef _settle(self, Promise answer, object result)
    cpdef _enqueue(self, object job)
    @cython.locals(host=VatHost)
    cpdef _wake(self)
    @cython.locals(before=double, end=double, now=double)
    cpdef _drain(self)
    cpdef bint expect(self) except -1
    cpdef drain_now(self, bint expected=*)
    @cython.locals(target=LocalRef, answer=Promise, asynchronous=bint)
    cpdef _deliver(self, Message message)
