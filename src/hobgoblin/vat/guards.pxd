cdef object Keyword, Shaped
