cimport cython

from hobgoblin.syrup._output cimport Output

cdef bint COMPILED

cpdef bytes _export(Py_ssize_t pos)
cpdef bytes _gc_exports(list positions, list deltas)
cpdef bytes _gc_answers(list positions)
@cython.locals(out=Output)
cdef bytes _numbers(list numbers)
