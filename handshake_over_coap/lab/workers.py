"""Where chunks are run: in processes of this machine, or on a dask.distributed cluster."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any, Final

from handshake_over_coap.errors import ConfigurationError, Error
from handshake_over_coap.lab.chunks import Chunk, Results, Rows, run_chunk
from handshake_over_coap.lab.software import differences, software

AHEAD: Final = 3
"""Chunks handed out for each worker: what it does, and what it finds when it is done."""

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for finding a scheduler; distributed takes up to twice as long."""

_RETRIES: Final = 3

_stop: Event | None = None


def in_processes(chunks: Iterable[Chunk], workers: int) -> Results:
    """Run chunks in ``workers`` processes; they come back in any order.

    Left early, it ends the processes after the trial they are at.  They also end when this process
    dies.  Raises Error when one of them dies.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(stop,))
    waiting = iter(chunks)
    running: dict[Future[Rows], Chunk] = {}
    try:
        while True:
            for chunk in itertools.islice(waiting, AHEAD * workers - len(running)):
                with _uninterrupted():
                    running[pool.submit(_run, chunk)] = chunk
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise Error(
            "a worker process died (killed, or out of memory): what is done is kept, and the same "
            "command goes on from there, perhaps with fewer workers (a script of your own needs "
            "if __name__ == '__main__': around the call)"
        ) from None
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold interrupts back; a process that is started meanwhile holds them back, too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(stop: Event) -> None:
    """Set up a worker: an interrupt is the parent's business, and without a parent it ends.

    Those that came while it started have been held back, and are dropped.
    """
    global _stop  # noqa: PLW0603 - an initializer has no other way to leave something behind
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _run(chunk: Chunk) -> Rows:
    return run_chunk(chunk) if _stop is None else run_chunk(chunk, _stop.is_set)


@contextmanager
def cluster(address: str) -> Iterator[Any]:
    """A client of the dask.distributed scheduler at ``address``.

    Raises ConfigurationError where it cannot be reached, or distributed is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise ConfigurationError(
            "a scheduler needs distributed: pip install -e '.[lab]' in the checkout"
        ) from error
    connect: Any = distributed.Client  # without types
    resolve: Any = distributed.comm.addressing.resolve_address
    try:
        resolve(address)  # a client that cannot be made of an address leaves noise behind
        client = connect(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigurationError(
            f"scheduler {address}: cannot be reached ({str(error) or type(error).__name__}); is "
            "dask scheduler running there? An address is such as tcp://192.0.2.1:8786"
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(OSError, TimeoutError):
            client.close()


def on_cluster(chunks: Iterable[Chunk], client: Any) -> Results:
    """Run chunks on the cluster of ``client``; its workers need this very package.

    Left early, it cancels what has not begun.  Raises Error for a cluster that fails, and
    ConfigurationError for one that has other software.
    """
    import distributed

    finished: Any = distributed.as_completed  # without types
    waiting = iter(chunks)
    running: dict[Any, Chunk] = {}
    try:
        threads = max(1, sum(client.nthreads().values()))
        ready = finished(loop=client.loop)
        while True:
            for chunk in itertools.islice(waiting, AHEAD * threads - len(running)):
                future = client.submit(run_there, chunk, software(), pure=False, retries=_RETRIES)
                running[future] = chunk
                ready.add(future)
            if not running:
                break
            future = next(ready)
            yield running.pop(future), _result(future)
    finally:
        if running:
            client.cancel(list(running))


def run_there(chunk: Chunk, expected: dict[str, str]) -> Rows:
    """Run a chunk on a machine of the cluster, if its software is that of who ordered it."""
    if software() != expected:
        what = ", ".join(differences(software(), expected))
        raise ConfigurationError(
            f"a worker of the cluster has other software ({what}): install the same on all machines"
        )
    return run_chunk(chunk)


def _result(future: Any) -> Rows:
    try:
        rows: Rows = future.result()
    except Error:
        raise
    except Exception as error:
        raise Error(f"the cluster failed at a chunk: {error}") from error
    return rows
