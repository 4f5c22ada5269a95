cpdef bytes _export(Py_ssize_t pos)
