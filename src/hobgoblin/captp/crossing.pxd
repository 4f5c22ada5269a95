cimport cython

from hobgoblin.captp.tables cimport Exports, Tracked, Tracking
from hobgoblin.messages cimport OpDeliver, is_position, read_deliver
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport LocalRef, Ref, RemoteRef

cdef Py_ssize_t _ENDLESS
cdef int FULFILLED, PENDING, ROUTE_IMPORT, ROUTE_SELECTED


cdef class ResolverAt(Ref):
    cdef public object _pos


cdef class Crossing:
    cdef list _dropped_imports, _dropped_questions
    cdef object _export, _introduce, _limits, _new_promise
    cdef object _octets, _receiver_key, _wake, _wire
    cdef public object _sink, spelling
    cdef public Ref bootstrap
    cdef ResolverAt _resolver_at
    cdef public dict answers, certificates, constructors, encoders
    cdef public Exports exports
    cdef public Tracking imports, questions
    cdef public bint learning, release_due, shaped
    cdef Py_ssize_t _most_answers, _most_imports
    cdef public Py_ssize_t strays

    @cython.locals(promise=Promise, remote=RemoteRef)
    cpdef bint is_theirs(self, Ref target) except *
    cpdef Ref ours(self, object target)
    cpdef Ref theirs(self, object resolver)
    @cython.locals(promise=Promise, remote=RemoteRef)
    cpdef Py_ssize_t position(self, object target) except -1
    @cython.locals(promise=Promise)
    cpdef bint is_question(self, object target) except *
    cpdef bytes target(self, object target)
    cpdef Promise new_answer(self, object pos)
    @cython.locals(count=Py_ssize_t, deltas=list, entry=Tracked, positions=list)
    cpdef tuple dropped_imports(self)
    @cython.locals(entry=Tracked, positions=list)
    cpdef list dropped_questions(self)
    @cython.locals(promise=Promise, reference=Ref, remote=RemoteRef)
    cpdef Ref _read_import(self, tuple fields, bint is_promise)
    cpdef Ref _read_import_object(self, tuple fields)
    cpdef Ref _read_import_promise(self, tuple fields)
    @cython.locals(target=Ref)
    cpdef Ref _read_export(self, tuple fields)
    cpdef Ref _read_answer(self, tuple fields)
    cpdef OpDeliver _read_deliver(self, tuple fields)
    cpdef tuple _looked_at(self, str label, tuple fields)
    cpdef list introductions(self)


cdef object _position(tuple fields)
cdef list _taken(list queue)
