cimport cython

from hobgoblin.refs.promise cimport Promise
from hobgoblin.vat.stretches cimport Stretches
from hobgoblin.vat.vat cimport Vat

cdef object Shaped, get_ident, _running_home, _current_task
cdef int BROKEN, FULFILLED


cdef class LoopHost:
    cdef object __weakref__
    cdef public object _loop, _ident, _vats, clock, _end
    cdef public bint _eager, _forked, _buried, _posted, _running
    cdef public list _woken

    cpdef bint here(self) except *
    cpdef post_in(self, object context, object callback)
    cpdef _run_posted(self)
    @cython.locals(done=Py_ssize_t, woken=list)
    cpdef run_woken(self)
    @cython.locals(stretches=Stretches)
    cpdef bint _in_a_stretch(self, object home) except *


cdef class _Waiter:
    cdef public object future, ident, loop

    cpdef settled(self, Promise promise)
    cpdef _wake(self)
