cimport cython
from cpython.contextvars cimport get_value

from hobgoblin.refs.promise cimport Promise
from hobgoblin.vat.contracts cimport VatHost
from hobgoblin.vat.stretches cimport Stretches
from hobgoblin.vat.vat cimport Vat


cdef extern from "pythread.h":
    cpdef size_t get_ident "PyThread_get_thread_ident"()


cdef extern from *:
    ctypedef class weakref.ReferenceType [object PyWeakReference]:
        pass


cdef set SHAPED_TAGS
cdef object Shaped, _NOTHING, _current_task, current_home
cdef bint _EAGER
cdef int BROKEN, FULFILLED

cdef inline object _running_home():
    return get_value(current_home)


cdef class LoopHost(VatHost):
    cdef object __weakref__
    cdef public object _loop, _vats, _end
    cdef public size_t _ident
    cdef public bint _eager, _forked, _buried, _posted, _running
    cdef public list _woken

    cpdef bint here(self) except -1
    cpdef post_in(self, object context, object callback)
    cpdef _run_posted(self)
    @cython.locals(done=Py_ssize_t, woken=list)
    cpdef run_woken(self)
    cpdef object wait(self, object promise)


cdef class _Sleeper(ReferenceType):
    cdef public object context, loop, task
    cdef public Promise promise

    cpdef settled(self, Promise promise)


@cython.locals(sleeper=_Sleeper)
cdef _Sleeper _asleep(object future, object loop, Promise promise)
cdef object _future_for(LoopHost host, Promise promise)
cdef _fail(object future, object error)


cdef class _Waiter:
    cdef public object future, loop
    cdef public size_t ident

    cpdef settled(self, Promise promise)
    cpdef _wake(self)


cdef object _first_yield(LoopHost host, Promise promise)
@cython.locals(vat=Vat, stretches=Stretches)
cdef bint _in_a_stretch(LoopHost host, object home) except -1
@cython.locals(waiter=_Waiter)
cdef _Waiter _waiter_for(LoopHost host, Promise promise)
cdef object _outcome(Promise promise)
