cimport cython

from hobgoblin.syrup._containers cimport OpenSet, OpenStruct
from hobgoblin.syrup._names cimport Names
from hobgoblin.syrup._in_place cimport PlaceReader
from hobgoblin.syrup._tokens cimport double_at, number, text
from hobgoblin.values cimport Symbol, SyrupSet

# In the place of the module's own names: these are looked up at no cost.
cdef int LIST, RECORD, VALUE, SET, TOP, KEY, LABEL
cdef Py_ssize_t DELIVER_VALUES, DELIVER_END_VALUES, _ENDLESS, _NESTED
cdef bint COMPILED
cdef bytes NAN
cdef dict COMMON_SYMBOLS
cdef object MappingProxyType, _HALTED, NOTHING, DEFAULT_LIMITS
cdef Symbol _NO_LABEL, _OP_DELIVER
cdef Bounds _USUAL
cdef Names _NAMES


cdef class Bounds:
    cdef Py_ssize_t depth, elements, glance, integer_digits, length_digits, message_octets
    cdef object positions
    cdef bint at_once, usual


cdef class ValueReader(PlaceReader):
    cdef object _positions
    cdef bint _at_once, _usual
    cdef Py_ssize_t _ceiling, _depth, _elements, _integer_digits, _missing, _missing_run, _open_sets
    cdef public Py_ssize_t _length_digits, _message_octets, _start, _stop
    cdef dict _learned
    cdef list _halted, _stack
    cdef str _problem

    @cython.locals(bounds=Bounds)
    cdef _open(self, object constructors, object limits)
    cpdef bint _begin(self) except -1
    cpdef _end(self, Py_ssize_t place, Py_ssize_t stop)
    cpdef str _past_stop(self)

    @cython.locals(digits=Py_ssize_t, most=Py_ssize_t, end=Py_ssize_t, stop=Py_ssize_t, stack=list)
    cdef object _read(self)
    @cython.locals(items=list)
    cdef object _message(self)
    cdef object _beginning(self)
    @cython.locals(left=Py_ssize_t)
    cdef object _ending(self, object to, object args)
    @cython.locals(kind=int, items=list, depth=Py_ssize_t, stack=list)
    cdef object _resume(self)

    @cython.locals(
        data=bytes, octets="const unsigned char*", pos=Py_ssize_t, end=Py_ssize_t, need=Py_ssize_t, run=Py_ssize_t,
        here=Py_ssize_t, close=Py_ssize_t, amount=Py_ssize_t, most=Py_ssize_t, left=Py_ssize_t, glance=Py_ssize_t,
        octet=int, common=dict, raw=bytes, struct=OpenStruct, double=double,
        names=Names, problem=str,
    )
    cdef object _fill(
        self, int kind, list items, Symbol label, object opened, Py_ssize_t depth, object value
    )
    cdef object _halt(self, int kind, list items, Symbol label, object opened)
    cdef _check(self, object opened, Py_ssize_t pos)
    cdef Py_ssize_t _digits_most(self, int kind, int octet) except -1
    @cython.locals(symbol=Symbol, learned=dict)
    cdef Symbol _symbol(self, bytes raw, Py_ssize_t index)
    cpdef str _path(self)
    cpdef _abandon(self)
