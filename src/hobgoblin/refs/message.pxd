cimport cython
from cpython.ref cimport Py_DECREF, PyObject

cdef extern from "Python.h":
    ctypedef struct PyFrameObject
    PyFrameObject *PyEval_GetFrame()
    PyObject *PyFrame_GetCode "(PyObject *) PyFrame_GetCode"(PyFrameObject *frame)
    int PyFrame_GetLasti(PyFrameObject *frame)



@cython.freelist(1024)
cdef class Message:
    cdef public object answer, cause, home, site, target, ticket, waits
    cdef public tuple args

    cpdef dispatch(self)
    cpdef meet(self, object value)
    cpdef fail(self, object error)


cdef object _frame_at
cdef Py_ssize_t _CALLER
cdef dict _verbs

@cython.locals(message=Message)
cpdef Message message_to(object target, tuple args, object answer, object home, object site)
cpdef object call_site(Py_ssize_t depth, object called=*)

cdef inline object _innermost(object called):
    """Return where the innermost frame stands, as `call_site` does, without an object for each part."""
    cdef PyFrameObject *frame = PyEval_GetFrame()
    if frame == NULL:
        return None
    cdef PyObject *code = PyFrame_GetCode(frame)
    site = (<object> code, PyFrame_GetLasti(frame), called)
    Py_DECREF(<object> code)
    return site

@cython.locals(count=Py_ssize_t)
cpdef tuple with_verb(object verb, tuple args)
cpdef object verb_of(str name)
