"""The codec alone: a small op:deliver and a large mixed structure, next to the same in msgpack and JSON."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any, Final

from benchmarks.clock import rates
from benchmarks.measures import Benchmark, Figures, Row
from benchmarks.settings import Settings
from hobgoblin import Symbol
from hobgoblin.messages import CONSTRUCTORS, ENCODERS, DescExport, DescImportObject, OpDeliver
from hobgoblin.syrup import decode, encode

BENCHMARK: Final = Benchmark(
    "syrup",
    "Syrup, next to msgpack and JSON",
    tuple(
        Row(f"{key}{other}", f"{title}{suffix}", "/s", True)
        for key, title in (
            ("encode_small", "encode a small op:deliver"),
            ("decode_small", "decode it"),
            ("encode_large", "encode 100 KB, mixed"),
            ("decode_large", "decode that"),
        )
        for other, suffix in (("", ""), (".msgpack", ", msgpack"), (".json", ", JSON"))
    ),
)

SMALL = OpDeliver(DescExport(1), (Symbol("add"), 20, 22), 4711, DescImportObject(4712))
PLAIN_SMALL = ["op:deliver", ["desc:export", 1], ["add", 20, 22], 4711, ["desc:import-object", 4712]]


async def run(settings: Settings, loop: str) -> Figures:
    """Measure once."""
    large = mixed(lambda size: bytes(range(256))[:size])
    text_large = mixed(lambda size: "x" * size)
    small_octets, large_octets = to_syrup(SMALL), to_syrup(large)
    assert from_syrup(small_octets) == SMALL
    works: dict[str, dict[str, Callable[[], object]]] = {
        "encode_small": {"": lambda: to_syrup(SMALL)},
        "decode_small": {"": lambda: from_syrup(small_octets)},
        "encode_large": {"": lambda: to_syrup(large)},
        "decode_large": {"": lambda: from_syrup(large_octets)},
    }
    add(works, ".json", to_json, json.loads, text_large)
    if importlib.util.find_spec("msgpack") is not None:
        import msgpack  # type: ignore[import-untyped, import-not-found, unused-ignore]

        add(works, ".msgpack", msgpack.packb, msgpack.unpackb, large)
    figures: Figures = {}
    for key, each in works.items():
        for name, rate in rates(each, settings.seconds).items():
            figures[f"{key}{name}"] = rate
    return figures


def add(
    works: dict[str, dict[str, Callable[[], object]]],
    name: str,
    pack: Callable[[object], Any],
    unpack: Callable[[Any], object],
    large: object,
) -> None:
    """Add what another codec does with the same."""
    small_packed, large_packed = pack(PLAIN_SMALL), pack(large)
    works["encode_small"][name] = lambda: pack(PLAIN_SMALL)
    works["decode_small"][name] = lambda: unpack(small_packed)
    works["encode_large"][name] = lambda: pack(large)
    works["decode_large"][name] = lambda: unpack(large_packed)


def mixed(octets: Callable[[int], object]) -> dict[str, Any]:
    """About 100 KB of what programs send: structs in lists, text, numbers, flags and octets."""
    rows = [
        {
            "id": index * 7919,
            "name": f"Explorist number {index}",
            "color": "blue" if index % 2 else "grün",
            "position": [index / 7, -index / 3, 0.0],
            "sold": index % 3 == 0,
            "parts": [index, index + 1, [index * 1_000_003, "wheel"]],
            "digest": octets(32),
        }
        for index in range(500)
    ]
    return {"rows": rows, "total": len(rows)}


def to_syrup(value: object) -> bytes:
    return encode(value, encoders=ENCODERS)


def from_syrup(data: bytes) -> object:
    return decode(data, constructors=CONSTRUCTORS)


def to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
