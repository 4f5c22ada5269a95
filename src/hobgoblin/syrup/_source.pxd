from hobgoblin.values cimport AnyDecoder

cdef Py_ssize_t _LONG, _PIECE


cdef class OctetSource(AnyDecoder):
    cdef public Py_ssize_t _base, _pos
    cdef Py_ssize_t _held, _kept_base, _need, _run, _run_most
    cdef list _pieces
    cdef public bytes _data
    cdef bint _keeping
    cdef object _kept, _tail

    cdef _begin_empty(self)
    cdef _begin_again(self)
    cpdef _append(self, bytes octets)
    cdef _collect(self, bytes octets)
    cpdef bint _refill(self) except -1
    cpdef _join(self)
    cpdef _wait(self, Py_ssize_t need, Py_ssize_t run, Py_ssize_t run_most)
    cpdef _drop(self)
    cpdef _keep(self, Py_ssize_t place)
    cpdef _forget(self)
    cpdef _clear(self)
