cimport cython

from hobgoblin.refs.message cimport Message
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport LocalRef
from hobgoblin.vat.contracts cimport VatHost
from hobgoblin.vat.passing cimport pass_value
from hobgoblin.vat.vat cimport Vat

cdef int FULFILLED
cdef Py_ssize_t _IN_A_ROW


cdef class Stretches:
    cdef public Vat _vat
    cdef public object _coroutine, _what, _cause, _task
    cdef public Promise _answer
    cdef public LocalRef _running
    cdef public Message _message
    cdef public Py_ssize_t _ended
    cdef public double _began
    cdef public bint _held

    @cython.locals(
        vat=Vat, promise=Promise, left=Py_ssize_t, began=double, until=double, now=double, cancelled=bint
    )
    cpdef object _step(self, object value, tuple thrown)
    @cython.locals(vat=Vat, host=VatHost)
    cpdef bint _goes_on(self, Promise promise) except *
    @cython.locals(vat=Vat)
    cpdef _returned(self, object result)
    @cython.locals(vat=Vat, now=double)
    cpdef double _ends(self, object error) except? -1.0
    @cython.locals(answer=Promise, message=Message)
    cpdef _fail(self, object error, bint cancelled=*)
    cpdef _end(self)
    cpdef _let_go(self)
