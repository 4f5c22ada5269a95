cimport cython

cdef int _REVERSED
cdef unsigned char[::1] _OCTETS
cdef double[::1] _DOUBLES


cpdef str text(bytes raw, Py_ssize_t index)
@cython.locals(place=Py_ssize_t)
cpdef double double_at(bytes data, Py_ssize_t index) except? -1
cpdef object number(bytes digits, Py_ssize_t index)
@cython.locals(place=Py_ssize_t)
cpdef void put_double(double value, unsigned char* octets, Py_ssize_t index) noexcept
