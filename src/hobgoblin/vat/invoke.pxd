from hobgoblin.values cimport Keyword

cdef object Actor, Symbol

cpdef object invoke(object behaviour, tuple args)
cpdef object call(object function, tuple args)
