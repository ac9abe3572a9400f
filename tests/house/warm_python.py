"""`python` and `dvc` that have imported the heavy libraries already: a server forks itself for each command.

Importing torch, diffusers and Lightning takes five seconds, and a `dvc repro` of the whole graph starts
twelve processes. A command finds the project's own modules as usual, under its working folder: the server
has imported none of them. What is about starting, signals or kills is tested with the real `python`.
"""

import array
import atexit
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

import psutil  # type: ignore[import-untyped]

LIBRARIES = (
    "numpy", "PIL.Image", "yaml", "ruamel.yaml", "pydantic", "omegaconf", "hydra", "cv2", "jinja2", "tqdm",
    "onnxruntime", "scipy", "skimage.feature", "huggingface_hub", "tokenizers", "safetensors.torch", "torch",
    "torch.utils.data", "torch.utils.flop_counter", "torch.distributed.tensor", "torch.distributed.fsdp",
    "diffusers.AutoencoderKL", "diffusers.UNet2DConditionModel", "diffusers.DDIMScheduler",
    "diffusers.DDPMScheduler", "transformers.CLIPTextModel", "transformers.CLIPTokenizer",
    "transformers.CLIPModel", "transformers.CLIPImageProcessorPil", "lightning.pytorch",
    "lightning.pytorch.callbacks", "lightning.pytorch.loggers", "lightning.pytorch.strategies",
    "dvc.cli", "dvc.cli.parser", "dvc.repo", "dvc.repo.reproduce", "dvc.stage.run", "dvc.repo.experiments",
)  # fmt: skip
"""Modules, or classes in modules that load them when they are first asked for."""
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""What libraries read when they are imported."""
NAMES = ("python", "dvc")
CLIENT = """#!{python} -IS
import array, json, os, socket, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
if name == "dvc":
    arguments = ["-m", "dvc", *arguments]
if arguments[:1] not in (["-m"], ["-c"]):
    os.execv({python!r}, [{python!r}, *arguments])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    fds = array.array("i", [0, 1, 2]).tobytes()
    server.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    asked = {{"folder": os.getcwd(), "environment": dict(os.environ), "arguments": arguments}}
    server.sendall(json.dumps(asked).encode())
    server.shutdown(socket.SHUT_WR)
    code = int(server.makefile().read() or "1")
sys.exit(code if code >= 0 else 128 - code)
"""

SERVERS: list[subprocess.Popen[bytes]] = []


def warm_seconds() -> float:
    """Processor time of what the servers were asked to run, and that has ended."""
    with suppress(psutil.Error):
        times = [psutil.Process(server.pid).cpu_times() for server in SERVERS]
        return float(sum(each.children_user + each.children_system for each in times))
    return 0.0


@cache
def warm_commands() -> Path:
    """The folder of the commands; one server for each worker, which ends when the worker does."""
    folder = Path(tempfile.mkdtemp(prefix="athanor-warm-"))
    commands, address = folder / "bin", folder / "server"
    commands.mkdir()
    for name in NAMES:
        (commands / name).write_text(CLIENT.format(python=sys.executable, address=str(address)))
        (commands / name).chmod(0o755)
    SERVERS.append(
        subprocess.Popen([sys.executable, __file__, str(address)], env={**os.environ, **ENVIRONMENT})
    )
    atexit.register(close)
    end = time.monotonic() + 120
    while not address.exists() and SERVERS[0].poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert address.exists(), "the server did not start"
    return commands


def close() -> None:
    SERVERS[0].terminate()
    SERVERS[0].wait()
    shutil.rmtree(Path(SERVERS[0].args[-1]).parent, ignore_errors=True)  # type: ignore[index, arg-type]


def serve(address: Path) -> None:
    """Forks for each command; the fork forks once more, and waits for the command's end."""
    for name in LIBRARIES:
        load(name)
    assert threading.active_count() == 1, "a fork would lack the other threads"
    with socket.socket(socket.AF_UNIX) as server:
        started = address.with_suffix(".starting")
        server.bind(str(started))
        server.listen()
        server.settimeout(2)
        started.rename(address)
        worker = os.getppid()
        while os.getppid() == worker:
            with suppress(TimeoutError):
                connection, _ = server.accept()
                with connection:
                    if os.fork() == 0:
                        try:
                            answer(connection)
                        finally:
                            os._exit(1)
            reap()
    shutil.rmtree(address.parent)


def load(name: str) -> None:
    """Imports a module, or a class of one."""
    try:
        import_module(name)
    except ModuleNotFoundError:
        module, _, leaf = name.rpartition(".")
        getattr(import_module(module), leaf)


def reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def answer(connection: socket.socket) -> None:
    """Runs one command and tells its exit code; never returns."""
    _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(12))
    fds = array.array("i", ancillary[0][2])
    asked = json.loads(connection.makefile("rb").read())
    if (child := os.fork()) == 0:
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
            os.close(fd)
        connection.close()
        command(asked["folder"], asked["environment"], asked["arguments"])
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(str(code).encode())
    os._exit(0)


def command(folder: str, environment: dict[str, str], arguments: list[str]) -> None:
    """`python -m MODULE ...` or `python -c CODE ...` in this process; ends it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.executable = str(Path(sys.argv[1]).parent / "bin" / "python")
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    code = 0
    try:
        if kind == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(what, {"__name__": "__main__"})
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    finish(code)


def finish(code: int) -> None:
    """As the interpreter ends: waits for threads, runs what asked to be run, writes what is left."""
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
