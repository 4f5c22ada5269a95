cimport cython

from hobgoblin.syrup._names cimport Names
from hobgoblin.syrup._source cimport OctetSource
from hobgoblin.values cimport MakerTable, Record, RecordMaker, Symbol

cdef object NOTHING
cdef Names NAMES
cdef MakerTable _NO_MAKERS
cdef Symbol _OP_DELIVER, _EXPORT, _ANSWER, _IMPORT_OBJECT
cdef bytes _TO_EXPORT, _TO_ANSWER, _RESOLVER
cdef Py_ssize_t DELIVER_VALUES, DELIVER_END_VALUES, _TO_SIZE, _RESOLVER_SIZE


cdef class PlaceReader(OctetSource):
    cdef object _constructors
    cdef Py_ssize_t _behind, _edge, _glance, _here, _left
    cdef dict _table
    cdef MakerTable _makers

    cdef _begin_place(self)
    cdef _use(self, object constructors)
    @cython.locals(makers=MakerTable, table=dict)
    cdef object _constructor(self, Symbol label)
    cdef object _build(self, Symbol label, tuple fields)
    @cython.locals(maker=RecordMaker)
    cdef object _at(self, Symbol label, Py_ssize_t position)
    @cython.locals(maker=RecordMaker)
    cdef object _deliver(self, object to, tuple args, Py_ssize_t answer, object resolver)
    @cython.locals(end=Py_ssize_t, octet=int, glance=Py_ssize_t, found=Py_ssize_t)
    cdef Py_ssize_t _number(self, const unsigned char* octets, Py_ssize_t pos) noexcept
    @cython.locals(found=Py_ssize_t)
    cdef Py_ssize_t _position(self, const unsigned char* octets, Py_ssize_t pos) noexcept
    @cython.locals(
        octets="const unsigned char*", pos=Py_ssize_t, label=Symbol, position=Py_ssize_t,
        makers=MakerTable, maker=RecordMaker,
    )
    cdef object _deliver_target(self)
    @cython.locals(
        octets="const unsigned char*", pos=Py_ssize_t, answer=Py_ssize_t, position=Py_ssize_t,
        maker=RecordMaker,
    )
    cdef object _deliver_end(self, object to, tuple args)
    @cython.locals(
        octets="const unsigned char*", pos=Py_ssize_t, end=Py_ssize_t, left=Py_ssize_t, names=Names, octet=int,
        amount=Py_ssize_t, here=Py_ssize_t, start=Py_ssize_t, items=list, count=Py_ssize_t,
    )
    cdef object _simple_list(self)


@cython.locals(place=Py_ssize_t)
cdef bint _stands(const unsigned char* octets, Py_ssize_t pos, const unsigned char* part, Py_ssize_t size) noexcept
