"""What gunicorn is told beside its command line; a version that does not know a name ignores it."""

import os
from pathlib import Path
from typing import Any

control_socket_disable = True
worker_tmp_dir = "/dev/shm"
graceful_timeout = 10
worker_connections = 300
"""So that no worker takes all of a thousand connections for itself."""


def post_worker_init(worker: Any) -> None:
    """Say that it is ready: with ``--preload`` the site itself was loaded in another process."""
    (Path(os.environ["FAULTS_ROOM"]) / "ready" / str(worker.pid)).touch()
