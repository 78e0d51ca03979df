"""What gunicorn is told beside its command line; a version that does not know a name ignores it."""

control_socket_disable = True
worker_tmp_dir = "/dev/shm"
graceful_timeout = 10
worker_connections = 300
"""So that no worker takes all of a thousand connections for itself."""
