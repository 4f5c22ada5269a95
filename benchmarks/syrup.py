"""The codec alone: a small op:deliver and a large mixed structure, next to the same in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from time import perf_counter
from typing import Any

from benchmarks.harness import Figures, Outcome, Row, Settings
from hobgoblin import Symbol
from hobgoblin.messages import CONSTRUCTORS, ENCODERS, DescExport, DescImportObject, OpDeliver
from hobgoblin.syrup import decode, encode

ROWS = (
    Row("encode_small", "Syrup: encode a small op:deliver", "/s", True, "json"),
    Row("decode_small", "Syrup: decode it", "/s", True, "json"),
    Row("encode_large", "Syrup: encode 100 KB, mixed", "/s", True, "json"),
    Row("decode_large", "Syrup: decode it", "/s", True, "json"),
)

SMALL = OpDeliver(DescExport(1), (Symbol("add"), 20, 22), 4711, DescImportObject(4712))
SMALL_IN_JSON = ["op:deliver", ["desc:export", 1], ["add", 20, 22], 4711, ["desc:import-object", 4712]]


async def run(settings: Settings) -> Outcome:
    """Measure once. Syrup and JSON take turns, so that both meet the same moment."""
    large = mixed(lambda size: bytes(range(256))[:size])
    large_in_json = mixed(lambda size: "x" * size)
    small_bytes, large_bytes = to_syrup(SMALL), to_syrup(large)
    small_text, large_text = to_json(SMALL_IN_JSON), to_json(large_in_json)
    assert from_syrup(small_bytes) == SMALL
    ours: Figures = {}
    theirs: Figures = {}
    for key, in_syrup, in_json in (
        ("encode_small", lambda: to_syrup(SMALL), lambda: to_json(SMALL_IN_JSON)),
        ("decode_small", lambda: from_syrup(small_bytes), lambda: json.loads(small_text)),
        ("encode_large", lambda: to_syrup(large), lambda: to_json(large_in_json)),
        ("decode_large", lambda: from_syrup(large_bytes), lambda: json.loads(large_text)),
    ):
        ours[key] = rate(in_syrup, settings.seconds / 3)
        theirs[key] = rate(in_json, settings.seconds / 3)
    return Outcome(ours, theirs, {"large_octets": len(large_bytes), "small_octets": len(small_bytes)})


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


def rate(work: Callable[[], object], seconds: float) -> float:
    """How often a second ``work`` is done. The clock is looked at every few times only."""
    work()
    times = 0
    batch = 1
    start = perf_counter()
    while (elapsed := perf_counter() - start) < seconds:
        for _ in range(batch):
            work()
        times += batch
        batch = min(batch * 2, 100) if elapsed < seconds / 20 else batch
    return times / elapsed
