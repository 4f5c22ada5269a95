"""What a session's messages look like as octets: three tables that can be replaced, bundled as a `Wire`.

::

    Codec        values to octets and back, and where a message ends            SYRUP
    Schema       which operations there are, and which fields each has          PEERS, APRIL_2026
    CryptoForm   how public keys and signatures are written                     S_EXPRESSIONS, BYTE_ARRAYS

`hobgoblin.captp` knows of octets only what is here. `WIRES` has the bundles that are known by name.
"""

from hobgoblin.crypto import BYTE_ARRAYS, S_EXPRESSIONS, CryptoForm
from hobgoblin.syrup import NEED_MORE, Framing, StreamDecoder, common_symbol
from hobgoblin.wire.calls import CallWriter, argument_limits
from hobgoblin.wire.codec import SYRUP, Codec, Encode, OpenDecoder
from hobgoblin.wire.octets import SYRUP_OCTETS, Octets, octets_by
from hobgoblin.wire.schema import APRIL_2026, PEERS, Schema
from hobgoblin.wire.tables import TODAY, WIRES, Wire, wire_of

__all__ = [
    "APRIL_2026",
    "BYTE_ARRAYS",
    "NEED_MORE",
    "PEERS",
    "SYRUP",
    "SYRUP_OCTETS",
    "S_EXPRESSIONS",
    "TODAY",
    "WIRES",
    "CallWriter",
    "Codec",
    "CryptoForm",
    "Encode",
    "Framing",
    "Octets",
    "OpenDecoder",
    "Schema",
    "StreamDecoder",
    "Wire",
    "argument_limits",
    "common_symbol",
    "octets_by",
    "wire_of",
]
