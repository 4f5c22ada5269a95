cimport cython

from hobgoblin.syrup._output cimport Output
from hobgoblin.syrup.encoder cimport Allowance, Writer, begun

cdef bint COMPILED
cdef object _PREFIXED, _WAY_DELIVER, _WAY_RESOLVER
cdef bytes _TO_EXPORT, _TO_ANSWER, _ONLY_TO_EXPORT, _ONLY_TO_ANSWER


cdef class Written:
    cdef public bytes octets


cdef class CallWriter:
    cdef object _encoders, _limits
    cdef bint _cuts, _negative_zero

    cpdef object deliver(
        self, object framing, bint to_answer, Py_ssize_t to, tuple args, Py_ssize_t answer, Py_ssize_t resolver
    )
    cpdef object one_way(
        self, object framing, bint to_answer, Py_ssize_t to, tuple args, object way, Py_ssize_t resolver
    )


cdef class TableCalls(CallWriter):
    cdef object _codec, _operations


cdef class SyrupCalls(CallWriter):
    cdef Allowance _allowed

    @cython.locals(writer=Writer, out=Output)
    cpdef object deliver(
        self, object framing, bint to_answer, Py_ssize_t to, tuple args, Py_ssize_t answer, Py_ssize_t resolver
    )
    @cython.locals(writer=Writer, out=Output)
    cpdef object one_way(
        self, object framing, bint to_answer, Py_ssize_t to, tuple args, object way, Py_ssize_t resolver
    )
