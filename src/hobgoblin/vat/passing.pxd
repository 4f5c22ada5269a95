cimport cython

from hobgoblin.values cimport Symbol

cdef frozenset _AS_IS
cdef object _INTEGER_BOUND, _INTEGER_LEAST
cdef Py_ssize_t _DEPTH


cdef class _Passage:
    cdef public object vat
    cdef public Py_ssize_t left
    cdef public bint shaped

    cpdef object take(self, object value, Py_ssize_t depth)
    cpdef tuple _take_all(self, object values, Py_ssize_t depth)
    cpdef _check(self, Py_ssize_t depth)
    cpdef _count(self, Py_ssize_t values)


@cython.locals(text=str, symbol=Symbol)
cpdef tuple pass_arguments(tuple args, object vat)
cpdef object pass_value(object value, object vat, str name)
