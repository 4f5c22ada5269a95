cimport cython

from cpython.contextvars cimport get_value
from cpython.object cimport PyObject_GenericGetAttr

from hobgoblin.refs.homes cimport LocalHome
from hobgoblin.refs.inert cimport Inert
from hobgoblin.refs.message cimport Message, call_site, verb_of, with_verb

cdef Py_ssize_t CALLER
cdef bint COMPILED
cdef object current_home

cdef inline object _running_home():
    return get_value(current_home)



cdef class Ref(Inert):
    cdef object __weakref__

    cpdef _accept(self, Message message)
    cpdef _room(self, object done)


cdef class BoundSend(Inert):
    cdef public object _target
    cdef public str _name


cdef class LocalRef(Ref):
    cdef public LocalHome _vat
    cdef public object _behaviour

    cpdef _accept(self, Message message)


cdef class RemoteRef(Ref):
    cdef public object _sink
    cdef public object _pos

    cpdef _accept(self, Message message)
    cpdef _room(self, object done)


cdef frozenset _OF_FUTURES

cpdef LocalHome sender(Ref target)
cdef bint _is_attribute(str name) except *
@cython.locals(bound=BoundSend)
cdef BoundSend _method_of(Ref target, str name)


cdef class NamedBehaviour:
    cdef public object __name__
