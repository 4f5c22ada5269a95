"""Netlayers: the ways to reach peers. Each gives ordered channels of bytes and owns its locators' shape.

``Unix`` is for peers on one machine, ``Memory`` for tests and examples in one event loop,
``TcpTestingOnly`` for what its name says. A netlayer of your own implements `Netlayer`.
"""

from hobgoblin.netlayers.channel import Channel, Handler, Netlayer
from hobgoblin.netlayers.memory import Memory, MemoryNetwork
from hobgoblin.netlayers.tcp import TcpTestingOnly
from hobgoblin.netlayers.unix import Unix, listening_socket

__all__ = [
    "Channel",
    "Handler",
    "Memory",
    "MemoryNetwork",
    "Netlayer",
    "TcpTestingOnly",
    "Unix",
    "listening_socket",
]
