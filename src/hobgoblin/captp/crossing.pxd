cimport cython

from hobgoblin.captp.quotas cimport emptied
from hobgoblin.captp.tables cimport Exports, Tracked, Tracking
from hobgoblin.messages cimport is_position
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport LocalRef, Ref, RemoteRef
from hobgoblin.values cimport MakerTable, RecordMaker

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
    cdef public dict answers, certificates, encoders
    cdef public MakerTable constructors
    cdef public Exports exports
    cdef public Tracking imports, questions
    cdef public bint learning, release_due, shaped
    cdef Py_ssize_t _most_answers, _most_imports
    cdef public Py_ssize_t strays

    @cython.locals(promise=Promise, remote=RemoteRef)
    cpdef bint is_theirs(self, Ref target) except *
    cpdef Ref ours(self, object target)
    cpdef Ref theirs(self, object resolver)
    @cython.locals(promise=Promise, remote=RemoteRef, pos=Py_ssize_t)
    cpdef Py_ssize_t place(self, object target) except? -1
    @cython.locals(pos=Py_ssize_t)
    cpdef bytes target(self, object target)
    cpdef Promise new_answer(self, object pos)
    @cython.locals(count=Py_ssize_t, deltas=list, entry=Tracked, positions=list)
    cpdef tuple dropped_imports(self)
    @cython.locals(entry=Tracked, positions=list)
    cpdef list dropped_questions(self)
    @cython.locals(imports=Tracking, promise=Promise, reference=Ref, remote=RemoteRef)
    cpdef Ref _read_import(self, object pos, bint is_promise)
    @cython.locals(exports=Exports, target=Ref)
    cdef Ref _read_export(self, object pos)
    cdef Ref _read_answer(self, object pos)
    cdef tuple _stray(self, str label, tuple fields)
    cpdef list introductions(self)


cdef int _IMPORT_OBJECT, _IMPORT_PROMISE, _EXPORT, _ANSWER
cdef Py_ssize_t _MOST


cdef class _At(RecordMaker):
    cdef Crossing _crossing
    cdef int _kind

    @cython.locals(kind=int, crossing=Crossing)
    cpdef object at(self, Py_ssize_t position)


cdef class _NoValue(RecordMaker):
    cdef Crossing _crossing
    cdef str _label
    cdef object _construct
    cdef RecordMaker _maker

    @cython.locals(crossing=Crossing)
    cpdef object deliver(self, object to, tuple args, Py_ssize_t answer, object resolver)
