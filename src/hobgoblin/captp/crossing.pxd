cimport cython

from hobgoblin.captp.tables cimport Export, Exports, Tracking
from hobgoblin.messages cimport OpDeliver, is_position, read_deliver
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport LocalRef, Ref, RemoteRef

cdef Py_ssize_t _ENDLESS
cdef int FULFILLED, PENDING, ROUTE_IMPORT, ROUTE_SELECTED


cdef class ResolverAt(Ref):
    cdef public object _pos


cdef class Crossing:
    cdef object _dropped_imports, _dropped_questions, _export, _introduce, _limits, _new_promise
    cdef object _octets, _receiver_key, _wake, _wire
    cdef public object _sink, spelling
    cdef public Ref bootstrap
    cdef ResolverAt _resolver_at
    cdef public dict answers, certificates, constructors, encoders
    cdef public Exports exports
    cdef public Tracking imports, questions
    cdef public bint learning, release_due, shaped
    cdef Py_ssize_t _last_answer, _last_export, _most_answers, _most_imports
    cdef bytes _last_answer_octets, _last_export_octets
    cdef public Py_ssize_t strays

    @cython.locals(promise=Promise, remote=RemoteRef)
    cpdef bint is_theirs(self, Ref target) except *
    cpdef Ref ours(self, object target)
    cpdef Ref theirs(self, object resolver)
    @cython.locals(promise=Promise, remote=RemoteRef)
    cpdef bytes target(self, object target)
    cpdef bytes _at_export(self, Py_ssize_t pos)
    @cython.locals(promise=Promise, answers=dict)
    cpdef Promise new_answer(self, object pos)
    @cython.locals(promise=Promise, reference=Ref, remote=RemoteRef)
    cpdef Ref _read_import(self, tuple fields, bint is_promise)
    cpdef Ref _read_import_object(self, tuple fields)
    cpdef Ref _read_import_promise(self, tuple fields)
    @cython.locals(entry=Export)
    cpdef Ref _read_export(self, tuple fields)
    cpdef Ref _read_answer(self, tuple fields)
    cpdef OpDeliver _read_deliver(self, tuple fields)
    cpdef tuple _looked_at(self, str label, tuple fields)
    cpdef list introductions(self)


cdef object _position(tuple fields)
