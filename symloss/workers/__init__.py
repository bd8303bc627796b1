"""Several pieces of CPU work at once, one thread each, with the same result on any number of cores.

One torch operation on a small network is too short to be split over threads: the threads would spend their
time waiting for one another, and on a busy machine nearly all of it. Nor can two Python threads share the
work, since they take turns. So each piece of work runs in a process of its own, forked from this one, on one
thread, and as many pieces at a time as torch has threads. How work is cut into pieces never depends on the
number of cores, which is what makes results independent of it.

A forked process sees everything that this one has, so nothing but its result has to be sent. Where processes
cannot be forked (Windows), or not safely (macOS; beside CUDA, for which autograd keeps threads), pieces run
in threads.
"""

from symloss.workers.parallel import FORKS, WORKERS, attempted, in_parallel
from symloss.workers.settling import one_thread
from symloss.workers.terms import Lost, stopping

__all__ = ["FORKS", "WORKERS", "Lost", "attempted", "in_parallel", "one_thread", "stopping"]
