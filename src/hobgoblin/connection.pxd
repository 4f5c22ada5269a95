cimport cython

from hobgoblin.captp.events cimport Answered, Broke, Delivered, Introduced, Listened, Opened, Selected, Severed
from hobgoblin.inflow cimport Inflow
from hobgoblin.outflow cimport Outflow
from hobgoblin.passages cimport Origin, local_target
from hobgoblin.refs.message cimport Message, message_to
from hobgoblin.refs.promise cimport Promise, promise_of
from hobgoblin.refs.reference cimport LocalRef, Ref
from hobgoblin.refs.selection cimport Selection
from hobgoblin.reports cimport Report, is_passed_on, report_to
from hobgoblin.values cimport Shaped, as_crossing
from hobgoblin.vat.vat cimport Vat


cdef int FULFILLED, BROKEN


cdef class Connection(Origin):
    cdef object __weakref__
    cdef public Inflow _inflow
    cdef public Outflow _outflow
    cdef public object _loop, _on_opened, _on_severed, _introducer, _tap, _next, _channel
    cdef public object _deadline, _failures, keys, dialled
    cdef public list _deposits
    cdef public dict _watchers
    cdef public bint _delivering, _carrying_out
    cdef public Py_ssize_t _handoffs
    cdef double _now
    cdef public Promise remote_bootstrap, ended

    cpdef data_received(self, bytes data)
    @cython.locals(answer=Promise, question=Promise)
    cpdef accept(self, Message message)
    cpdef _deliver(self, Message message)
    @cython.locals(selection=Selection)
    cpdef _deliver_one(self, Message message)
    cpdef _write_to_resolver(self, Ref resolver, object verb, object value, object who=*)
    cpdef _carry_out(self)
    cpdef _portion_received(self)
    @cython.locals(answered=Answered, promise=Promise)
    cpdef _event(self, object event)
    @cython.locals(answer=Promise, message=Message, found=LocalRef, vat=Vat)
    cpdef _delivered(self, Delivered event)
    cpdef report(self, Ref resolver, Promise promise)
    cpdef tell(self, Ref resolver, object verb, object value, object who=*)
    cpdef _sent_unasked(self)
