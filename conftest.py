"""Before any test imports torch: threads that wait sleep, and workers of pytest-xdist share the cores."""

import os

from radloom.runtime import keep_memory, sleep_when_waiting

keep_memory()
sleep_when_waiting()
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
