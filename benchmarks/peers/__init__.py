"""Who is measured: a module each, with what serves in one process and what connects to it from another.

``serve(path, run)`` says that it is ready and serves at a Unix socket until its standard input ends.
``connect(address)`` returns a session with those of these that the peer can do: ``add(a, b)``,
``put(data)``, ``chain(calls)``, ``mint()``, ``live()``, ``drop(held)``, ``close()``. They are coroutine
functions, or plain ones where the module says that it is `BLOCKING`.
"""
