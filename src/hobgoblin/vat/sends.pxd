from hobgoblin.refs.message cimport call_site, verb_of, with_verb
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport BoundSend, Ref, sender
from hobgoblin.vat.vat cimport Vat

cdef Py_ssize_t CALLER
cdef bint COMPILED
cdef object Symbol, _running_home

cpdef Vat running_vat(str advice)
cpdef tuple parts_of(object bound, str verb)
