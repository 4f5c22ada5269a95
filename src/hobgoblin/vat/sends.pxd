cimport cython

from hobgoblin.refs.message cimport call_site, verb_of
from hobgoblin.refs.promise cimport Promise
from hobgoblin.refs.reference cimport BoundSend, Ref, sender
from hobgoblin.vat.vat cimport Vat

cdef Py_ssize_t CALLER
cdef object Symbol, _running_home

@cython.locals(vat=Vat)
cdef _send_only(Ref target, tuple args, object site)
cpdef Vat running_vat(str advice)
cpdef tuple parts_of(object bound, str verb)
