cimport cython

cdef object MappingProxyType, _DECODED, _WORD
cdef dict _SHAPES
cdef Py_ssize_t _SHAPES_KEPT, _SHAPE_KEYS
cdef tuple _STRING_HEADS, _BYTES_HEADS
cdef Py_ssize_t _HEADED


cdef class RecordForm:
    cdef readonly object label
    cdef readonly bytes head
    cdef object _attributes
    cdef str _single

    cpdef tuple fields(self, object value)
    cpdef Py_ssize_t position(self, object value) except? -1


cdef class Key:
    cdef readonly str name
    cdef readonly bytes _syrup


cdef class HalfStruct:
    cdef public list entries

    @cython.locals(names=tuple, shape=list, entries=list)
    cdef bint _in_ascii(self, dict mapping) except -1


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
cdef dict _copied(object mapping)
cpdef object substitute(object value, object encoder, object digits)
