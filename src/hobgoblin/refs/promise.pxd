cimport cython

from hobgoblin.refs.contracts cimport Host
from hobgoblin.refs.homes cimport LocalHome
from hobgoblin.refs.message cimport Message, call_site
from hobgoblin.refs.reference cimport Ref

cdef Py_ssize_t CALLER
cdef int PENDING, FOLLOWING, FULFILLED, BROKEN, ROUTE_IMPORT, ROUTE_NONE


cdef class Promise(Ref):
    cdef public LocalHome _at
    cdef public object _site, _value, _route, _pos, _trace
    cdef public list _queue, _listeners
    cdef public short _state, _route_kind
    cdef public bint _used, _locked, _heard
    cdef public Promise _detour
    cdef public double _since

    cpdef Promise _excuse(self)
    cpdef _accept(self, Message message)
    @cython.locals(way=Promise, value=Ref, route=object, state=int)
    cpdef _accept_here(self, Message message)
    cpdef _room(self, object done)
    @cython.locals(way=Promise, route=object, state=int)
    cpdef _room_here(self, object done)
    cpdef _take_route(self, object route, int kind)
    @cython.locals(queue=list, message=Message)
    cpdef _set_route(self, object route, int kind, object pos)
    cpdef _resolve(self, object value)
    @cython.locals(listeners=list)
    cpdef _resolve_here(self, object value)
    cpdef _break(self, object error)
    cpdef _break_here(self, object error)
    cpdef _settle_as(self, Promise other)
    cpdef _take_over(self, Promise other)
    @cython.locals(root=Promise, queue=list, message=Message)
    cpdef _follow(self, Promise other)
    cpdef _hand_on(self, Promise root)
    cpdef _lead(self, Promise follower)
    cpdef _lead_here(self, Promise follower)
    @cython.locals(promise=Promise)
    cpdef bint _leads_to(self, Promise goal) except *
    @cython.locals(root=Promise)
    cpdef Promise _root(self)
    @cython.locals(way=Promise, walked=Promise)
    cpdef Promise _way(self)
    @cython.locals(promise=Promise, root=Promise)
    cpdef bint _become(self, Message message, object value) except *
    cpdef _listen(self, object listener)
    @cython.locals(root=Promise, state=int)
    cpdef _listen_here(self, object listener)
    @cython.locals(listeners=list, route=object)
    cpdef _expect(self, object listener)
    cpdef _unlisten(self, object listener)


@cython.locals(
    settled=list, promise=Promise, queue=list, listeners=list, detour=Promise, broken=bint,
    target=Ref, message=Message, answer=Promise, follower=Promise,
)
cpdef _settle(Promise first)


@cython.locals(promise=Promise)
cpdef Promise promise_of(LocalHome home, object site)
