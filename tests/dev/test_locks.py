"""Locks: they end with their process, and only that process is ended."""

import fcntl
import json
import signal
import subprocess
import sys

from dev.locks import Lock


def test_a_lock_ends_with_the_process_that_was_killed(local, held):
    with held(local / "run.lock") as holder:
        assert Lock(local / "run.lock").is_held()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert not Lock(local / "run.lock").is_held()


def test_a_process_whose_id_was_used_before_is_left_alone(local):
    path = local / "run.lock"
    local.mkdir()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            path.write_text(json.dumps([[bystander.pid, 1.0]]))
            assert Lock(path).end_holders(seconds=0.2)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
