cimport cython

from hobgoblin.captp.session cimport Session
from hobgoblin.loops cimport LoopHost
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport LocalRef, Ref
from hobgoblin.vat.vat cimport Vat

cdef int FULFILLED


cdef class Origin:
    cdef public Session session
    cdef public Vat _vat
    cdef public LoopHost _host
    cdef public bint exceeded
    cdef public object _party, _writing_for, _deposited

    cpdef settled(self, Ref resolver, Promise promise)
    cpdef report(self, Ref resolver, Promise promise)
    cpdef tell(self, Ref resolver, object verb, object value, object who=*)


cdef class Passage:
    cdef public Origin origin
    cdef public object ticket


@cython.locals(promise=Promise)
cpdef LocalRef local_target(Ref target, object vat)
