cimport cython

from hobgoblin.syrup._forms cimport RecordForm
from hobgoblin.values cimport MakerTable, RecordMaker


@cython.freelist(8)
cdef class OpDeliver:
    cdef public object to_desc, args, answer_pos, resolve_me_desc


cdef class OpListen:
    cdef public object to_desc, resolve_me_desc, wants_partial


cdef class OpGet:
    cdef public object receiver_desc, field_name, new_answer_pos


cdef class OpIndex:
    cdef public object receiver_desc, index, new_answer_pos


cdef class OpUntag:
    cdef public object receiver_desc, tag, new_answer_pos


cdef class OpGcExports:
    cdef public tuple export_positions, wire_deltas


cdef class OpGcAnswers:
    cdef public tuple answer_positions


@cython.freelist(8)
cdef class DescImportObject:
    cdef readonly object position


@cython.freelist(8)
cdef class DescImportPromise:
    cdef readonly object position


@cython.freelist(8)
cdef class DescExport:
    cdef readonly object position


@cython.freelist(8)
cdef class DescAnswer:
    cdef readonly object answer_pos


cdef object _MOST
cdef Py_ssize_t _LAST
cdef bint COMPILED
cpdef bint is_position(object value) except -1


cdef class _DeliverMaker(RecordMaker):
    @cython.locals(op=OpDeliver)
    cpdef object deliver(self, object to, tuple args, Py_ssize_t answer, object resolver)


cdef class _PositionMaker(RecordMaker):
    cdef str _label

    cdef _check(self, Py_ssize_t position)


cdef class _ImportObjectMaker(_PositionMaker):
    @cython.locals(desc=DescImportObject)
    cpdef object at(self, Py_ssize_t position)


cdef class _ImportPromiseMaker(_PositionMaker):
    @cython.locals(desc=DescImportPromise)
    cpdef object at(self, Py_ssize_t position)


cdef class _ExportMaker(_PositionMaker):
    @cython.locals(desc=DescExport)
    cpdef object at(self, Py_ssize_t position)


cdef class _AnswerMaker(_PositionMaker):
    @cython.locals(desc=DescAnswer)
    cpdef object at(self, Py_ssize_t position)


cdef class _DeliverForm(RecordForm):
    @cython.locals(op=OpDeliver)
    cpdef tuple fields(self, object value)


cdef class _PositionForm(RecordForm):
    @cython.locals(answer=DescAnswer, export=DescExport, imported=DescImportObject, number=Py_ssize_t)
    cpdef Py_ssize_t position(self, object value) except? -1
