"""gRPC on asyncio: https://pypi.org/project/grpcio/. It has no references: a chain is calls that wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import grpc

from benchmarks.processes import end_with_input, say_ready
from benchmarks.tls import FOLDER_VARIABLE, NAME, read

SCHEMA: Final = "benchmarks/peers/bench.proto"
PROTOS, SERVICES = grpc.protos_and_services(SCHEMA)


class Bench(SERVICES.BenchServicer):
    async def add(self, request: Any, context: Any) -> Any:
        return PROTOS.Number(value=request.a + request.b)

    async def put(self, request: Any, context: Any) -> Any:
        return PROTOS.Number(value=len(request.data))


class Session:
    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._bench = SERVICES.BenchStub(channel)

    async def add(self, a: int, b: int) -> Any:
        return (await self._bench.add(PROTOS.Pair(a=a, b=b))).value

    async def put(self, data: bytes) -> Any:
        return (await self._bench.put(PROTOS.Octets(data=data))).value

    async def chain(self, calls: int) -> Any:
        number = 0
        for _ in range(calls):
            number = await self.add(number, 1)
        return number

    async def close(self) -> None:
        await self._channel.close()


async def connect(path: str) -> Session:
    """Return a session with the server at ``path``."""
    address = f"unix:{path}"
    # Without it, channels of one process share a connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return Session(grpc.aio.insecure_channel(address, options=options))
    key, certificate = read(Path(folder))
    credentials = grpc.ssl_channel_credentials(certificate, key, certificate)
    options.append(("grpc.ssl_target_name_override", NAME))
    return Session(grpc.aio.secure_channel(address, credentials, options=options))


def serve(path: str, run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Serve at ``path``."""
    run(_serve(path))


async def _serve(path: str) -> None:
    server = grpc.aio.server()
    SERVICES.add_BenchServicer_to_server(Bench(), server)
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        server.add_insecure_port(f"unix:{path}")
    else:
        key, certificate = read(Path(folder))
        credentials = grpc.ssl_server_credentials([(key, certificate)], certificate, require_client_auth=True)
        server.add_secure_port(f"unix:{path}", credentials)
    await server.start()
    say_ready()
    end_with_input()
    await server.wait_for_termination()
