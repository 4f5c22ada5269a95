cimport cython

cdef object MappingProxyType, _WORD
cdef tuple _STRING_HEADS, _BYTES_HEADS
cdef Py_ssize_t _HEADED


cdef class HalfStruct:
    cdef public list entries

    cpdef bint _in_ascii(self, dict mapping) except *


cdef class HalfSet:
    cdef public tuple items
    cdef public Py_ssize_t index
    cdef list _marks


@cython.locals(number=Py_ssize_t)
cpdef bytes integer(object value, object digits)
cpdef bytes double(object value)
cpdef bytes octets(bytes value)
cpdef bytes string(str value)
cpdef bytes symbol(str name)
cdef bytes _utf8(str text)
