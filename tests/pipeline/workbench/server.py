"""A workbench as a process of its own, over a project made for the test."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Workbench:
    """`cookie`: what the browser would hold."""

    process: "subprocess.Popen[str]"
    address: str
    port: int
    cookie: str = ""

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Sent as it is: no header but these and Host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        sent = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(body or b"")), **(headers or {})}
        for name, value in sent.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders(body)
        got = connection.getresponse()
        answer = Answer(got.status, dict(got.getheaders()), got.read())
        connection.close()
        return answer

    @property
    def own(self) -> dict[str, str]:
        """The headers of the page's own writes."""
        return {
            "Cookie": self.cookie, "Origin": f"http://127.0.0.1:{self.port}", "X-Athanor": "1",
            "Content-Type": "application/json",
        }  # fmt: skip

    def get(self, path: str) -> Any:
        answer = self.ask(path, headers={"Cookie": self.cookie})
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, **body: Any) -> Answer:
        return self.ask(path, "POST", json.dumps(body).encode(), self.own)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def started(folder: Path, *options: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("SSH_CONNECTION", None)
    command = [sys.executable, "-m", "pipeline.workbench", "--no-browser", *options]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def workbench(folder: Path, *options: str) -> Iterator[Workbench]:
    process = started(folder, "--port", "0", *options)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert "?token=" in address, process.communicate()
        made = Workbench(process, address, int(address.split(":")[2].split("/")[0]))
        let_in = made.ask("/?" + address.split("?")[1])
        made.cookie = let_in.headers["Set-Cookie"].split(";")[0]
        yield made
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(10)
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
