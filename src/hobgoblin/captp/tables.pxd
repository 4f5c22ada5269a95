cimport cython

from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport Ref


cdef extern from *:
    ctypedef class weakref.ReferenceType [object PyWeakReference]:
        pass


cdef class Tracked(ReferenceType):
    cdef public Py_ssize_t count, pos


cdef class Export:
    cdef public Ref target
    cdef public Promise settles
    cdef public Py_ssize_t sent


cdef class Exports:
    cdef public dict _by_pos, _pos_of
    cdef public Py_ssize_t _next, _committed, most
    cdef public list _staged
    cdef public object charges

    cpdef Export get(self, object pos)
    cpdef object describe(self, Ref target)
    @cython.locals(entry=Export)
    cpdef object resolver(self, Promise promise)
    @cython.locals(entry=Export)
    cpdef commit(self)
    cpdef roll_back(self)
    @cython.locals(entry=Export)
    cpdef Export release(self, object pos, object delta)
    cpdef object _add(self, Export entry)
    @cython.locals(entry=Export)
    cpdef Export _remove(self, object pos)


cdef class Tracking:
    cdef public dict _by_pos
    cdef object _dropped
    cdef public object charges

    cpdef Ref get(self, object pos)
    @cython.locals(entry=Tracked, old=Tracked)
    cpdef add(self, object pos, Ref target)
    @cython.locals(entry=Tracked)
    cpdef received(self, object pos)
    cpdef Py_ssize_t forget(self, Tracked entry) except -1
