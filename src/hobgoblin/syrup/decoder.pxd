cimport cython

from hobgoblin.syrup._calls cimport CallReader


cdef class Decoder(CallReader):
    cdef public object _failure

    cpdef feed(self, object data)
    cpdef object next(self)
    cpdef _die(self, object failure)


cdef object DEFAULT_LIMITS, NOTHING
cdef list _SPARE
cdef Py_ssize_t _SPARES

@cython.locals(decoder=Decoder, octets=bytes, spare=bint)
cdef object _decode(object data, object constructors, object limits)
