cimport cython

from hobgoblin.captp.crossing cimport Crossing
from hobgoblin.captp.tables cimport Exports


cdef class Speaker:
    cdef public object wire, dialect, _codec, _version, _octets, _deliver, _one_way
    cdef public Crossing _crossing
    cdef public object _decoder, _encode_arguments, _frame, _frame_head, _framing, _out
    cdef public Py_ssize_t _bytes_sent, _cut, _most_released, _sent, _unsent
    cdef public Exports _exports
    cdef public bint _negative_zero, _learning

    @cython.locals(deltas=list, end=Py_ssize_t, most=Py_ssize_t, positions=list, questions=list, start=Py_ssize_t)
    cpdef _give_back(self)
    cpdef object _encode(self, object value, object limits, object encode)
    @cython.locals(data=bytes)
    cpdef _send(self, bytes message)
    cdef _put(self, object message, Py_ssize_t size)
    cpdef list _taken(self, object most)
