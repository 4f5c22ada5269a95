"""Channels over what somebody else has opened."""

from __future__ import annotations

import asyncio
import datetime
import io
import os
import pty
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import tty

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hobgoblin.errors import NetlayerError
from hobgoblin.netlayers.wrap import wrap_files, wrap_socket, wrap_streams

ECHO = """
    import sys

    while data := sys.stdin.buffer.read1():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
"""

DEAF = """
    import signal

    print("ready", flush=True)
    signal.pause()
"""


def child_process(code):
    """Start Python on pipes that block, as for a program without asyncio."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


# Raw sockets on the other side: what exactly reaches the peer.


@pytest.fixture(params=["unix", "tcp"])
def family(request):
    return request.param


@pytest.fixture(params=["socket", "streams", "files"])
def wrapped(request, family, connected_sockets):
    """Put a channel on one of two connected sockets; return the other one, blocking no longer."""

    async def wrap(handler):
        ours, theirs = connected_sockets[family]()
        theirs.setblocking(False)
        if request.param == "socket":
            await wrap_socket(ours, handler)
        elif request.param == "streams":
            wrap_streams(*await asyncio.open_connection(sock=ours), handler)
        else:
            wrap_files(ours.makefile("rb"), ours.makefile("wb"), handler)
            ours.close()  # its files live on
        return theirs

    return wrap


async def read_to_the_end(sock):
    received = bytearray()
    while data := await asyncio.get_running_loop().sock_recv(sock, 65536):
        received += data
    return bytes(received)


def test_after_the_peers_fin_it_can_still_be_written_to(wrapped, run, recorder):
    async def main():
        here = recorder()
        with await wrapped(here) as peer:
            peer.shutdown(socket.SHUT_WR)
            await here.eof()
            for _ in range(3):
                here.write(b"still ", b"here ")
                await asyncio.sleep(0)
            here.close()
            assert await read_to_the_end(peer) == b"still here " * 3
        await here.lost()
        assert here.error is None

    run(main())


def test_fin_and_not_rst_when_input_is_unread(wrapped, run, recorder):
    async def main():
        loop = asyncio.get_running_loop()

        def say_bye(here):
            here.write(b"bye")
            here.close()

        here = recorder(data=say_bye)
        with await wrapped(here) as peer:
            sending = loop.create_task(loop.sock_sendall(peer, bytes(8 << 20)))
            await here.until(lambda here: here.done)
            assert await read_to_the_end(peer) == b"bye"
            await sending
            assert here.is_open
            peer.shutdown(socket.SHUT_WR)
            await here.lost()
        assert here.error is None

    run(main())


def test_a_reset_is_an_error(run, recorder, connected_sockets):
    async def main():
        ours, theirs = connected_sockets["tcp"]()
        here = recorder()
        await wrap_socket(ours, here, description="the wire")
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
        await here.lost()
        assert isinstance(here.error, NetlayerError)
        assert str(here.error) == "the channel the wire broke: Connection reset by peer"
        assert isinstance(here.error.__cause__, ConnectionResetError)

    run(main())


# Sockets.


def test_a_socket_must_be_connected(run, recorder):
    async def main():
        sock, handler = socket.socket(), recorder()
        with pytest.raises(NetlayerError, match="connect it first"):
            await wrap_socket(sock, handler)
        assert sock.fileno() == -1
        assert handler.calls == []

    run(main())


def test_a_socket_must_be_a_stream(run, recorder):
    async def main():
        sock, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with other, pytest.raises(NetlayerError, match="no stream socket"):
            await wrap_socket(sock, recorder())
        assert sock.fileno() == -1

    run(main())


def test_a_socket_of_a_protocol_left_open_gets_no_delay_too(run, recorder, connected_sockets):
    async def main():
        ours, theirs = connected_sockets["tcp"]()
        ours = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=ours.detach())
        here = recorder(eof=recorder.close)
        await wrap_socket(ours, here)
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        theirs.close()
        await here.lost()

    run(main())


# Streams.


def test_what_a_reader_has_buffered_is_not_lost(run, recorder):
    async def main():
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        with theirs:
            theirs.sendall(b"hello\nworld")
            theirs.shutdown(socket.SHUT_WR)
            assert await reader.readline() == b"hello\n"
            here = recorder(eof=recorder.close)
            wrap_streams(reader, writer, here)
            await here.lost()
        assert here.received == b"world"
        assert here.error is None

    run(main())


def test_a_server_made_of_streams(run, recorder):
    async def main():
        there = recorder(eof=recorder.close)
        server = await asyncio.start_server(
            lambda reader, writer: wrap_streams(reader, writer, there) and None, "127.0.0.1", 0
        )
        here = recorder()
        host, port = server.sockets[0].getsockname()
        wrap_streams(*await asyncio.open_connection(host, port), here)
        here.write(b"hello")
        here.close()
        await there.lost()
        await here.lost()
        assert there.received == b"hello"
        server.close()
        await server.wait_closed()

    run(main())


def test_the_end_of_the_loop_ends_the_channel(recorder):
    async def main():
        ours, theirs = socket.socketpair()
        here = recorder()
        wrap_streams(*await asyncio.open_connection(sock=ours), here)
        here.write(b"hello")
        await asyncio.sleep(0)
        return theirs, here

    theirs, here = asyncio.run(main())
    with theirs:
        assert theirs.recv(10) == b"hello"
        assert theirs.recv(10) == b""
    assert here.calls == ["opened", "lost"]


def test_streams_of_a_child_process(run, recorder):
    async def main():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(ECHO), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        here = recorder()
        wrap_streams(child.stdout, child.stdin, here)
        here.write(b"hello")
        await here.received_octets(5)
        here.close()
        await here.lost()
        assert here.received == b"hello"
        assert here.error is None
        assert await child.wait() == 0

    run(main())


def test_a_reader_that_fails_breaks_the_channel(run, recorder):
    async def main():
        ours, theirs = socket.socketpair()
        reader, here = asyncio.StreamReader(), recorder()
        _, writer = await asyncio.open_connection(sock=ours)
        wrap_streams(reader, writer, here)
        reader.feed_data(b"hello")
        await here.received_octets(5)
        reader.set_exception(ValueError("broken decoder"))
        await here.lost()
        assert str(here.error) == "the channel streams broke: broken decoder"
        with theirs:
            assert theirs.recv(1) == b""

    run(main())


def test_a_lost_writer_does_not_lose_what_is_still_to_be_read(run, recorder):
    async def main():
        ours, theirs = socket.socketpair()
        reader, here = asyncio.StreamReader(), recorder(eof=recorder.close)
        _, writer = await asyncio.open_connection(sock=ours)
        wrap_streams(reader, writer, here)
        writer.close()
        await writer.wait_closed()
        reader.feed_data(b"late")
        reader.feed_eof()
        await here.lost()
        assert here.received == b"late"
        theirs.close()

    run(main())


def test_abort_of_a_channel_whose_writer_is_lost_already(run, recorder):
    async def main():
        ours, theirs = socket.socketpair()
        reader, here = asyncio.StreamReader(), recorder()
        _, writer = await asyncio.open_connection(sock=ours)
        wrap_streams(reader, writer, here)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0)
        here.write(b"ignored")
        here.abort()
        await here.lost()
        theirs.close()

    run(main())


def contexts(tmp_path):
    """A server's and a client's TLS context with a certificate made for the occasion."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "localhost.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


@pytest.mark.parametrize("octets", [0, 5, 2 << 20])
def test_tls_streams(octets, run, recorder, tmp_path):
    async def main():
        for_server, for_client = contexts(tmp_path)
        there, here = recorder(), recorder(eof=recorder.close)
        server = await asyncio.start_server(
            lambda reader, writer: wrap_streams(reader, writer, there) and None,
            "127.0.0.1",
            0,
            ssl=for_server,
        )
        host, port = server.sockets[0].getsockname()
        streams = await asyncio.open_connection(host, port, ssl=for_client, server_hostname="localhost")
        wrap_streams(*streams, here)
        await there.opened()
        here.write(b"hello")
        await there.received_octets(5)
        there.write(bytes(octets))
        there.close()
        await there.lost()
        await here.lost()
        assert here.received == bytes(octets)
        assert here.calls == ["opened", *["data"] * bool(octets), "eof", "lost"]
        server.close()
        await server.wait_closed()

    run(main())


# Files.


def test_files_of_a_child_process(run, recorder):
    async def main():
        with child_process(ECHO) as child:
            here = recorder()
            wrap_files(child.stdout, child.stdin, here, description="the child")
            assert here.channel.description == "the child"
            here.write(b"hello")
            await here.received_octets(5)
            here.close()
            await here.lost()
            assert here.received == b"hello"
            assert here.error is None
            assert child.stdin.closed
            assert child.stdout.closed
            assert child.wait() == 0

    run(main())


def test_the_death_of_a_child_is_its_eof_and_breaks_what_is_written(run, recorder):
    async def main():
        with child_process(ECHO) as child:
            here = recorder()
            wrap_files(child.stdout, child.stdin, here)
            child.kill()
            await here.eof()
            while here.is_open:  # the kernel may close its stdout first, and its stdin only then
                here.write(b"anybody there?")
                await asyncio.sleep(0)
            await here.lost()
            assert str(here.error) == "the channel files broke: Broken pipe"

    run(main())


def test_a_child_that_reads_nothing_does_not_hold_the_channel_up(run, recorder):
    async def main():
        with child_process(DEAF) as child:
            here = recorder()
            wrap_files(child.stdout, child.stdin, here)
            await here.received_octets(5)
            here.write(bytes(1 << 20))
            assert here.paused
            here.abort()
            await here.lost()
            assert here.error is None
            child.kill()

    run(main())


@pytest.mark.parametrize("buffering", [-1, 0])
def test_what_a_file_has_buffered_is_not_lost(buffering, run, recorder):
    async def main():
        (r1, w1), (r2, w2) = os.pipe(), os.pipe()
        reader = os.fdopen(r1, "rb", buffering)
        os.write(w1, b"hello\nworld")
        assert reader.readline() == b"hello\n"
        here = recorder(eof=recorder.close)
        wrap_files(reader, os.fdopen(w2, "wb", buffering), here)
        assert os.get_blocking(r1)
        await here.received_octets(5)
        assert here.received == b"world"
        os.close(w1)
        await here.lost()
        os.close(r2)

    run(main())


def test_files_that_are_non_blocking(run, recorder):
    """Nobody should, but a shared terminal or pipe may become so at any time."""

    async def main():
        (r1, w1), (r2, w2) = os.pipe(), os.pipe()
        for fd in (r1, w2):
            os.set_blocking(fd, False)
        here = recorder()
        wrap_files(os.fdopen(r1, "rb", 0), os.fdopen(w2, "wb", 0), here)
        os.write(w1, b"hello")
        await here.received_octets(5)
        here.write(b"hello")
        here.close()
        with os.fdopen(r2, "rb") as file:
            assert await asyncio.to_thread(file.read) == b"hello"
        os.close(w1)
        await here.lost()
        assert here.error is None

    run(main())


def open_terminal() -> tuple[int, int]:
    try:
        return pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine gives no terminal: {error}")


def test_a_terminal_is_one_file_for_both(run, recorder):
    async def main():
        ours, theirs = open_terminal()
        tty.setraw(theirs)
        here = recorder()
        file = os.fdopen(ours, "r+b", 0)
        wrap_files(file, file, here)
        os.write(theirs, b"hello")
        await here.received_octets(5)
        here.write(b"you")
        assert await asyncio.to_thread(os.read, theirs, 3) == b"you"
        here.abort()
        await here.lost()
        assert file.closed
        os.close(theirs)

    run(main())


def test_a_terminal_that_was_hung_up(run, recorder):
    async def main():
        ours, theirs = open_terminal()
        os.close(theirs)
        here, null = recorder(), os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb")
        wrap_files(os.fdopen(ours, "rb"), null, here)
        await here.lost()
        assert str(here.error) == "the channel files broke: Input/output error"
        assert null.closed

    run(main())


def test_files_must_have_a_descriptor(run, recorder):
    async def main():
        here = recorder()
        with pytest.raises(ValueError, match="file descriptor"):
            wrap_files(io.BytesIO(b""), io.BytesIO(), here)
        assert here.calls == []

    run(main())


def test_files_must_be_open(run, recorder):
    async def main():
        r, w = os.pipe()
        with os.fdopen(w, "wb") as writer, os.fdopen(r, "rb") as reader:
            reader.close()
            with pytest.raises(ValueError, match="closed file"):
                wrap_files(reader, writer, recorder())
            assert not writer.closed

    run(main())


def test_a_file_that_somebody_else_closes_breaks_the_channel(run, recorder):
    async def main():
        (r1, w1), (r2, w2) = os.pipe(), os.pipe()
        here, writer = recorder(), os.fdopen(w2, "wb")
        wrap_files(os.fdopen(r1, "rb"), writer, here)
        writer.close()
        here.write(b"hello")
        await here.lost()
        assert isinstance(here.error, NetlayerError)
        assert "closed file" in str(here.error)
        os.close(w1)
        os.close(r2)

    run(main())


def test_a_loop_that_ends_before_the_channel_leaves_daemons_that_end(recorder):
    async def main():
        (r1, w1), (r2, w2) = os.pipe(), os.pipe()
        here = recorder()
        wrap_files(os.fdopen(r1, "rb"), os.fdopen(w2, "wb"), here)
        return w1, r2, here.channel

    w1, r2, channel = asyncio.run(main())
    threads = [thread for thread in threading.enumerate() if "files" in thread.name]
    assert [thread.daemon for thread in threads] == [True, True]
    os.write(w1, b"hello")  # the reader finds nobody to tell
    next(thread for thread in threads if thread.name == "files reader").join(10)
    os.close(w1)
    os.close(r2)
    channel.abort()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
