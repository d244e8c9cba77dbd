"""Run the simulator as a process: `mm-magics simulator`.

SIGINT and SIGTERM stop it without an error message and close every connection. The key is passed to `announce` only.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import IO

from mm_magics.errors import ConfigError
from mm_magics.simulator.endpoint import PREFIX, Endpoint
from mm_magics.simulator.record import RequestRecord
from mm_magics.simulator.server import Server

Announce = Callable[[str, str], None]
"""Called once with the base URL and the key, as soon as the simulator accepts requests."""


def announcement(base_url: str, key: str) -> str:
    """Return the text for the user: the address, and how to point a client at it."""
    return (
        f"The simulator listens on {base_url}\n\n"
        f"export ANTHROPIC_BASE_URL={base_url}\n"
        f"export ANTHROPIC_API_KEY={key}\n\n"
        "Press Ctrl-C to stop it."
    )


def _print(base_url: str, key: str) -> None:
    print(announcement(base_url, key), flush=True)


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    rate: float | None = None,
    strict: bool = False,
    log_file: str | Path | None = None,
    allow_remote: bool = False,
    announce: Announce = _print,
) -> None:
    """Serve until SIGINT or SIGTERM. Call it in the main thread.

    Args:
        host: The address to listen on.
        port: The port to listen on. 0: any free port.
        key: The API key to accept. None: a random one.
        rate: Deltas per second. None: as fast as possible.
        strict: Whether to add the rules of other endpoints, as in `Simulator`.
        log_file: A file to which one JSON line is appended per request, when its answer has ended. A new one can be
            read by its owner only.
        allow_remote: Whether `host` may be an address that other machines can reach.
        announce: Called once with the base URL and the key.

    Raises:
        ConfigError: If the log file cannot be written, if the address or port is not available, or if other machines
            could reach the address and `allow_remote` is False.
    """
    if not allow_remote and not _is_loopback(host):
        raise ConfigError(
            f"Other machines could reach the simulator at {host or 'every address'}.",
            "Leave --host out, or add --allow-remote if you want that.",
        )
    endpoint = Endpoint(key=key, rate=rate, strict=strict)
    if log_file is None:
        asyncio.run(_serve(endpoint, host, port, None, announce))
        return
    try:
        file = open(log_file, "a", encoding="utf-8", opener=partial(os.open, mode=0o600))  # noqa: SIM115
    except OSError as error:
        raise ConfigError(f"{log_file} cannot be written: {error.strerror}.", "Name another file with --log.") from None
    with file:
        asyncio.run(_serve(endpoint, host, port, file, announce))


def _is_loopback(host: str) -> bool:
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host or None, 0, flags=socket.AI_PASSIVE)}
        return all(ip_address(str(each).partition("%")[0]).is_loopback for each in found)
    except (OSError, ValueError):  # an unknown name: listening there fails with its own error
        return True


async def _serve(endpoint: Endpoint, host: str, port: int, log: IO[str] | None, announce: Announce) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def write_record(record: RequestRecord, _: RequestRecord | None) -> None:
        if log is not None and record.ended is not None:
            log.write(json.dumps(record.as_json(), ensure_ascii=True) + "\n")
            log.flush()

    server = Server(endpoint, write_record)
    bound = await server.start(host, port)
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        announce(f"http://{host}:{bound}{PREFIX}", endpoint.key)
        await stopping.wait()
        await server.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
