"""What lets a browser in: the token of this start, and the names that lead here."""

from dataclasses import dataclass
from secrets import token_urlsafe

HOST_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Guard:
    """Made at each start. `ports`: of the addresses that lead here, its own and those of forwards."""

    ports: frozenset[int]
    port: int
    read_only: bool = False
    token: str = ""
    ticket: str = ""

    @classmethod
    def new(cls, ports: frozenset[int], port: int, read_only: bool) -> "Guard":
        return cls(ports, port, read_only, token_urlsafe(32), token_urlsafe(32))

    @property
    def cookie(self) -> str:
        """Of this port: cookies know no ports, and another checkout may serve on another."""
        return f"athanor_{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset(f"{name}:{port}" for name in HOST_NAMES for port in self.ports)
