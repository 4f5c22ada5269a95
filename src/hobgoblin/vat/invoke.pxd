cimport cython

from hobgoblin.values cimport Keyword, Symbol
from hobgoblin.vat.guards cimport Guard

cdef object Actor, Shaped

@cython.locals(methods=dict, symbol=Symbol, name=str)
cpdef object invoke(object behaviour, tuple args)
@cython.locals(count=Py_ssize_t, guard=Guard)
cdef object _call_method(object function, object behaviour, tuple args)
cdef bint _are_plain(tuple args)
@cython.locals(guard=Guard)
cpdef object call(object function, tuple args)
