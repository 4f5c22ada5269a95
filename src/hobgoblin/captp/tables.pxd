cimport cython

from hobgoblin.captp.shares cimport Charges
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport Ref


cdef extern from *:
    ctypedef class weakref.ReferenceType [object PyWeakReference]:
        pass


cdef class Export:
    cdef public Ref target
    cdef public Promise settles
    cdef public object sent


cdef int _PAGE_BITS, _PER_PAGE, _IN_PAGE


cdef class Page:
    cdef public Py_ssize_t held, number
    cdef public list targets

    @cython.locals(place=Py_ssize_t)
    cdef Py_ssize_t position_of(self, Ref target) except -1


cdef class Exports:
    cdef public dict _counts, _page_of, _pages, _resolvers
    cdef public Page _last
    cdef public Py_ssize_t _next, _committed, ignored, most
    cdef public list _again
    cdef public Charges _charges

    @cython.locals(page=Page)
    cpdef Ref target(self, Py_ssize_t pos)
    @cython.locals(page=Page, pos=Py_ssize_t)
    cpdef Py_ssize_t describe(self, Ref target) except -1
    @cython.locals(pos=Py_ssize_t)
    cpdef Py_ssize_t resolver(self, Promise promise) except -1
    @cython.locals(promise=Promise)
    cpdef Promise settle(self, object pos)
    cpdef commit(self)
    cpdef roll_back(self)
    @cython.locals(left="long long", promise=Promise)
    cpdef Promise release(self, object pos, long long delta)
    @cython.locals(pos=Py_ssize_t)
    cdef Py_ssize_t _new_pos(self) except -1
    @cython.locals(page=Page, number=Py_ssize_t)
    cdef _put(self, Py_ssize_t pos, Ref target)
    @cython.locals(page=Page, place=Py_ssize_t, target=Ref)
    cdef _take(self, Py_ssize_t pos)
    cdef Py_ssize_t _sent(self, object pos) except -1
    cdef _discharge(self, object pos)


cdef class Tracked(ReferenceType):
    cdef public Py_ssize_t count
    cdef public object pos


cdef class Tracking:
    cdef public dict _by_pos
    cdef object _dropped
    cdef public Charges _charges

    cpdef Ref get(self, object pos)
    @cython.locals(entry=Tracked, target=Ref)
    cpdef Ref again(self, object pos)
    @cython.locals(entry=Tracked, old=Tracked)
    cpdef add(self, object pos, Ref target)
    cpdef Py_ssize_t forget(self, Tracked entry) except -1
