cimport cython

from hobgoblin.captp.crossing cimport Crossing
from hobgoblin.captp.tables cimport Exports
from hobgoblin.refs.promise cimport Promise
from hobgoblin.wire.calls cimport CallWriter

cdef object RESOLVER, _RAW


cdef class Speaker:
    cdef public object wire, dialect, _argument_limits, _codec, _decoder, _framing, _keep, _limits, _octets, _out, _version, _way
    cdef public CallWriter _calls
    cdef public Crossing _crossing
    cdef public Exports _exports
    cdef public Py_ssize_t _bytes_sent, _cut, _most_released, _sent, _unsent
    cdef public bint _cuts, _learning, _negative_zero

    @cython.locals(deltas=list, end=Py_ssize_t, most=Py_ssize_t, positions=list, questions=list, start=Py_ssize_t)
    cpdef _give_back(self)
    @cython.locals(crossing=Crossing, to=Py_ssize_t, resolver=Py_ssize_t)
    cpdef _ask(self, object target, tuple args, Py_ssize_t question, Promise answer)
    @cython.locals(crossing=Crossing, to=Py_ssize_t, ignored=Py_ssize_t)
    cpdef _say(self, object target, tuple args)
    cpdef object _encode(self, object value, object limits)
    cpdef object _known_framing(self)
    cpdef _send(self, bytes message)
    @cython.locals(exports=Exports, size=Py_ssize_t)
    cdef _put(self, object message)
    cpdef list _taken(self, object most)


cpdef Py_ssize_t size_of(object message) except -1
