"""Shares the processor between the processes of pytest-xdist."""

import os

# Several processes with a thread for each core wait for one another: tests that train took three times as
# long. Set before torch is imported, and handed on to the commands that tests run.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
