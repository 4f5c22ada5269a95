cimport cython


@cython.locals(end=str)
cpdef bytes _deliver(bytes to, bytes args, Py_ssize_t answer, Py_ssize_t resolver)
cpdef bytes _deliver_to_nobody(bytes to, bytes args, object resolver)
cpdef bytes _export(Py_ssize_t pos)
cpdef bytes _gc_exports(list positions, list deltas)
cpdef bytes _gc_answers(list positions)
cdef bytes _numbers(list numbers)
