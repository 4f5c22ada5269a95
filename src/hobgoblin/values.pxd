cdef class Symbol:
    cdef public str name
    cdef public bytes _syrup
    cdef public Py_hash_t _hash


cdef class Tagged:
    cdef readonly object tag, value


cdef class ErrorValue:
    cdef readonly object message


cdef class Keyword:
    cdef readonly object name


cdef class Record:
    cdef readonly object label, fields


cdef class SyrupSet:
    cdef readonly object items


cdef class Shaped:
    cdef public object value


cpdef tuple as_crossing(tuple args)


cdef class AnyDecoder:
    cpdef feed(self, object data)
    cpdef object next(self)


cdef class RecordMaker:
    cpdef object at(self, Py_ssize_t position)
    cpdef object deliver(self, object to, tuple args, Py_ssize_t answer, object resolver)


cdef class MakerTable(dict):
    cdef public RecordMaker _answer, _deliver, _export, _import_object

    cpdef replace(self, object constructors)
    cdef RecordMaker _maker(self, object label)
