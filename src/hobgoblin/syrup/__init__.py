"""Syrup, the serialisation of OCapN: octets to values and back, strict and canonical.

::

    encode(value) -> octets         decode(octets) -> value
    frame(octets, Framing.RAW)      open_decoder(Framing.RAW).feed(octets); .next() -> value
"""

from hobgoblin.syrup._forms import Encoders, KeyOrder, RecordForm
from hobgoblin.syrup._names import common_symbol
from hobgoblin.syrup.decoder import NEED_MORE, Constructors, Decoder, NeedMore, decode
from hobgoblin.syrup.encoder import encode, joined
from hobgoblin.syrup.framing import Framing, StreamDecoder, frame, open_decoder

__all__ = [
    "NEED_MORE",
    "Constructors",
    "Decoder",
    "Encoders",
    "Framing",
    "KeyOrder",
    "NeedMore",
    "RecordForm",
    "StreamDecoder",
    "common_symbol",
    "decode",
    "encode",
    "frame",
    "joined",
    "open_decoder",
]
