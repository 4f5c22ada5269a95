from hobgoblin.captp.session cimport Session


cdef object OPEN, SEVERED
cdef Py_ssize_t BURST


cdef class Outflow:
    cdef Session _session
    cdef object _channel, _host, _loop, _low_water, _release_timer
    cdef public object _tap
    cdef list _waiters
    cdef bint _due, _paused, _prompt, _refused, _releases_ride
    cdef Py_ssize_t _seen

    cpdef collect(self)
    cpdef portion_handled(self)
    cpdef written(self)
    cpdef flush(self, bint releases=*)
