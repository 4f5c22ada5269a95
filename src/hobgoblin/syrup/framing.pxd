cimport cython

from hobgoblin.syrup.decoder cimport Decoder
from hobgoblin.values cimport AnyDecoder


cdef class RawDecoder(Decoder):
    pass


cdef class PrefixedDecoder(Decoder):
    @cython.locals(
        data=bytes, octets="const unsigned char*", end=Py_ssize_t, start=Py_ssize_t, place=Py_ssize_t, most=Py_ssize_t, size=Py_ssize_t,
        here=Py_ssize_t, octet=int,
    )
    cpdef bint _begin(self) except -1


cdef class MessageDecoder(Decoder):
    cdef object _sizes


cdef class DetectingDecoder(AnyDecoder):
    cdef object _constructors, _failure, _limits
    cdef Decoder _inner

    cpdef feed(self, object data)
    cpdef object next(self)


cdef object _PREFIXED, _DETECT
cdef Py_ssize_t _HEADS_KEPT
cdef list _HEADS

@cython.locals(size=Py_ssize_t)
cpdef bytes frame(bytes message, object framing)
