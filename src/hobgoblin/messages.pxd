cimport cython


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


cdef class DescImportObject:
    cdef readonly object position


cdef class DescImportPromise:
    cdef readonly object position


cdef class DescExport:
    cdef readonly object position


cdef class DescAnswer:
    cdef readonly object answer_pos


cdef object _MOST
cpdef bint is_position(object value) except -1
cdef object _position(str label, tuple fields)


@cython.locals(op=OpDeliver)
cpdef OpDeliver read_deliver(tuple fields)
cpdef DescImportObject _import_object(tuple fields)
cpdef DescImportPromise _import_promise(tuple fields)
cpdef DescExport _export(tuple fields)
cpdef DescAnswer _answer(tuple fields)
