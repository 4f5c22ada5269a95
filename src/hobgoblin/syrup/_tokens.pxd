cpdef str text(bytes raw, Py_ssize_t index)
cpdef object number(bytes digits, Py_ssize_t index)
