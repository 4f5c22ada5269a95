cimport cython

from hobgoblin.refs.promise cimport Promise

cdef object get_ident


cdef class LoopHost:
    cdef object __weakref__
    cdef public object _loop, _ident, _vats, clock, _end
    cdef public bint _eager, _forked, _buried

    cpdef bint here(self) except *


cdef class _Waiter:
    cdef public object future, ident, loop

    cpdef settled(self, Promise promise)
