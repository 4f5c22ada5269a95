"""The actor library: small objects for what programs of capabilities need again and again.

=================================================  ========================================================
less than all of an object's authority             `facet`, `revocable`, `membrane`, `rate_limited`
rights that meet                                   `new_sealers`, `new_wards`
one reference, several objects in turn             `new_swappable`, `new_pushdown`
a value, a count, a list                           `Cell`, `Counter`, `Queue`, `new_inbox`, `new_log`
events                                             `new_topic`, `Ticker`
time                                               `Timer`, `Alarm`
money                                              `Mint`, `Purse`
authority as bytes                                 `new_nonces`
streams of bytes                                   `new_pipe`, `from_file`, `to_file`, `from_streams`, `copy`
=================================================  ========================================================

A class is spawned like any other actor. A function that begins with ``new`` makes several objects that
belong together and returns references to each, so that each can be given to somebody else; it needs
a vat: call it in a method, or as ``await vat.run(new_sealers)``.

What holds for all of them: they may be called from other vats and machines by anybody who has the
reference, and check what they are given. What they keep is bounded in number; how large one value may
be, `Limits.message_bytes` says, so lower the ``limit`` of what strangers may fill. A turn that fails
leaves them as they were. They hold what they are given until it is taken out or they are dropped.

In the examples ``vat`` is a vat in another thread, and ``result`` is `hobgoblin.blocking.result`.
"""

from hobgoblin.actors.cells import Cell, CellReader, CellWriter, Counter
from hobgoblin.actors.clocks import Alarm, Ticker, Timer
from hobgoblin.actors.facets import Revoker, facet, rate_limited, revocable
from hobgoblin.actors.logs import LogReader, LogWriter, new_log
from hobgoblin.actors.membranes import membrane
from hobgoblin.actors.money import Mint, Purse
from hobgoblin.actors.nonces import NonceLocator, NonceRegistry, new_nonces
from hobgoblin.actors.queues import Fifo, InboxReader, InboxStopper, InboxWriter, Queue, new_inbox
from hobgoblin.actors.sealers import (
    Box,
    BrandCheck,
    Incanter,
    Sealer,
    Unsealer,
    Warden,
    new_sealers,
    new_wards,
)
from hobgoblin.actors.streams import (
    CHUNK,
    CHUNK_MOST,
    WINDOW_MOST,
    ByteReader,
    ByteSink,
    ByteSource,
    ByteWriter,
    copy,
    from_file,
    from_streams,
    new_pipe,
    to_file,
)
from hobgoblin.actors.swapping import Pushdown, Swapper, new_pushdown, new_swappable
from hobgoblin.actors.tables import Table
from hobgoblin.actors.topics import Publisher, Subscribers, Subscription, new_topic

__all__ = [
    "CHUNK",
    "CHUNK_MOST",
    "WINDOW_MOST",
    "Alarm",
    "Box",
    "BrandCheck",
    "ByteReader",
    "ByteSink",
    "ByteSource",
    "ByteWriter",
    "Cell",
    "CellReader",
    "CellWriter",
    "Counter",
    "Fifo",
    "InboxReader",
    "InboxStopper",
    "InboxWriter",
    "Incanter",
    "LogReader",
    "LogWriter",
    "Mint",
    "NonceLocator",
    "NonceRegistry",
    "Publisher",
    "Purse",
    "Pushdown",
    "Queue",
    "Revoker",
    "Sealer",
    "Subscribers",
    "Subscription",
    "Swapper",
    "Table",
    "Ticker",
    "Timer",
    "Unsealer",
    "Warden",
    "copy",
    "facet",
    "from_file",
    "from_streams",
    "membrane",
    "new_inbox",
    "new_log",
    "new_nonces",
    "new_pipe",
    "new_pushdown",
    "new_sealers",
    "new_swappable",
    "new_topic",
    "new_wards",
    "rate_limited",
    "revocable",
    "to_file",
]
