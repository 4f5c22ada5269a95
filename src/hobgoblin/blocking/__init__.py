"""For programs without an event loop of their own: scripts, threads, the REPL, notebooks.

::

    from hobgoblin import blocking, netlayers

    with blocking.Peer(netlayers.Unix()) as peer:
        factory = peer.enliven(uri)
        print(blocking.result(factory.make_car("Explorist", "blue").drive()))  # one round trip

References and promises are those of `hobgoblin` itself: every call still returns a promise at once, and
calls on promises still travel along. Only `result` and `results` wait.
"""

from hobgoblin.blocking.peer import Peer
from hobgoblin.blocking.waiting import result, results

__all__ = ["Peer", "result", "results"]
