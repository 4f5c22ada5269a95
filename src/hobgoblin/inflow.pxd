cimport cython

from hobgoblin.captp.session cimport Session


cdef Py_ssize_t _LARGE


cdef class Inflow:
    cdef Session _session
    cdef object _carry_out, _channel, _ended, _host, _lost, _waiting
    cdef set _vats
    cdef bint _eof, _gone, _whole
    cdef Py_ssize_t _fences, _most, _octets, _spent, _spent_octets
    cdef public bint is_waiting

    cpdef delivered(self, object vat)
    cpdef data_received(self, bytes data)
    @cython.locals(size=Py_ssize_t, awaited=Py_ssize_t)
    cpdef _take(self, bytes data)
