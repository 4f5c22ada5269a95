from hobgoblin.syrup.encoder cimport positions as encoded_positions

cpdef bytes _export(Py_ssize_t pos)
cpdef bytes _gc_exports(list positions, list deltas)
cpdef bytes _gc_answers(list positions)
