import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two worker processes on loopback."""
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    address = f"tcp://127.0.0.1:{free_port()}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    root = {"env": os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", address.rsplit(":", maxsplit=1)[-1]]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
    started = [subprocess.Popen([*scheduler, "--no-dashboard"], **quiet, **root)]
    started += [subprocess.Popen([*worker, "--no-dashboard"], **quiet, **root) for _ in range(2)]
    wait_for_workers(address, 2)
    yield address, started[1:]
    for process in started:
        process.kill()
        process.wait()


def wait_for_workers(address: str, count: int) -> None:
    from distributed import Client

    with Client(address, timeout=60) as client:
        client.wait_for_workers(count, timeout=120)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
