"""The connections of one download: cut when its time is up, and never led into the user's own network.

A server may send a byte a minute for ever, which a timeout between two bytes does not stop. Its redirects may
name any address, even one that only this machine reaches (127.0.0.1, a router, a cloud's own services).
"""

import ipaddress
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any
from urllib.parse import urljoin, urlsplit

from pipeline.printable import printable

PORTS = {"http": 80, "https": 443}
MOST_PAUSE_S = 30.0
"""Longest pause that a busy server may ask for."""
TRY_AGAIN = (429, 500, 502, 503, 504)
HostAndPort = tuple[str, int]
"""Host and port."""


class DownloadError(Exception):
    """Why a URL gives no picture; raised so that nothing half-fetched is kept."""


def hosts(urls: Sequence[str]) -> frozenset[HostAndPort]:
    """Hosts and ports of the user's URLs; a redirect from http to https on the usual ports is included."""
    named = {place for url in urls if (place := _place(url))}
    return frozenset(named | {(host, PORTS["https"]) for host, port in named if port == PORTS["http"]})


def _place(url: str) -> HostAndPort | None:
    with suppress(ValueError):
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
        return (parts.hostname.lower(), port) if parts.hostname and port else None
    return None


def is_inside(address: str) -> bool:
    """Whether it is an address of this machine or of a private network."""
    known = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(known, ipaddress.IPv6Address):
        known = known.ipv4_mapped or known.sixtofour or known
    return known.is_multicast or not known.is_global


class DownloadConnections:
    """Connections of one download. `named`: private addresses that may be reached."""

    def __init__(self, named: Collection[HostAndPort], limit_s: int) -> None:
        self.named, self.limit_s = named, limit_s
        self.is_late = False
        self._open: list[socket.socket] = []

    @contextmanager
    def session(self, retries: int) -> Iterator[Any]:
        """A requests.Session with a total time limit."""
        import requests

        timer = Timer(self.limit_s, self._cut)
        timer.daemon = True
        timer.start()
        try:
            with requests.Session() as session:
                session.hooks["response"].append(self._check_redirect)
                for scheme in PORTS:
                    session.mount(f"{scheme}://", _adapter(self, retries))
                yield session
        except (requests.RequestException, OSError):
            self.check_time()
            raise
        finally:
            timer.cancel()
            for each in self._open:
                each.close()

    def check_time(self) -> None:
        if self.is_late:
            raise DownloadError(f"took longer than collect.download_total_s {self.limit_s}")

    def connected(self, place: HostAndPort, made: socket.socket) -> socket.socket:
        """Registers and checks a new connection to a place."""
        try:
            self.check_time()
            self.check_address(place, made.getpeername()[0])
        except DownloadError:
            made.close()
            raise
        self._open.append(made.dup())  # TLS takes the socket itself over
        return made

    def check_address(self, place: HostAndPort, address: str) -> None:
        if place not in self.named and is_inside(address):
            raise DownloadError(
                f"leads to {printable(f'{place[0]}:{place[1]}')}, inside your own network ({address});"
                " name that address in the list, if you mean it"
            )

    def _check_redirect(self, answer: Any, **_: Any) -> None:
        """Checks a redirect before it is followed: behind a proxy the connection does not show where it
        leads.
        """
        place = _place(urljoin(answer.url, answer.headers.get("location", "")))
        if answer.is_redirect and place:
            with suppress(OSError):
                for *_rest, address in socket.getaddrinfo(*place, type=socket.SOCK_STREAM):
                    self.check_address(place, str(address[0]))

    def _cut(self) -> None:
        self.is_late = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _adapter(line: DownloadConnections, retries: int) -> Any:
    """For a session of requests: `line` checks new connections, pauses between tries are bounded."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return line.connected((self.host.lower(), self.port or 80), super()._new_conn())

    class Secret(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return line.connected((self.host.lower(), self.port or 443), super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecretPool(HTTPSConnectionPool):
        ConnectionCls = Secret

    class Bounded(Retry):
        def get_retry_after(self, response: Any) -> float | None:
            pause = super().get_retry_after(response)
            return None if pause is None else min(pause, MOST_PAUSE_S)

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
            super().init_poolmanager(*arguments, **named)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecretPool}

    return Adapter(max_retries=Bounded(retries, backoff_factor=0.5, status_forcelist=TRY_AGAIN))
