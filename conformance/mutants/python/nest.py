"""Hatches Python drivers: what they all import is imported once, then each is a fork with a mutant of its own.

``nest.py SOCKET`` prints a line when it is ready, and ends, with all its drivers, when its standard input closes. A connection
brings a driver's order and its standard files; it ends with the driver, and the driver with it. See ``hatch.py``.
"""

from __future__ import annotations

import json
import os
import runpy
import selectors
import signal
import socket
import sys
from typing import Any

from mutant_driver import DRIVER, run

PATIENTLY = 64


def import_all() -> None:
    """Imports what a driver imports, then forgets the modules that can have mutants, and the driver's own."""
    sys.dont_write_bytecode = False  # so that the forks need not compile
    runpy.run_path(str(DRIVER), run_name="imported")
    for name in list(sys.modules):
        if name.partition(".")[0] in ("skidbladnir", "driver"):
            del sys.modules[name]


class Nest:
    def __init__(self, path: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(PATIENTLY)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        self._ended, wake = socket.socketpair()
        wake.setblocking(False)
        self._wake = wake
        self._selector.register(self._ended, selectors.EVENT_READ)
        signal.set_wakeup_fd(wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._drivers: dict[int, socket.socket] = {}

    def order(self) -> dict[str, Any] | None:
        """In a fork, the order of the driver that it is to become; None when all is over."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is sys.stdin:
                    self._kill(list(self._drivers))
                    return None
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
                    if len(files) != 3:
                        connection.close()  # who ordered it was killed meanwhile
                        continue
                    pid = os.fork()
                    if pid == 0:
                        self._become(connection, files)
                        order: dict[str, Any] = json.loads(message)
                        return order
                    for file in files:
                        os.close(file)
                    self._drivers[pid] = connection
                    self._selector.register(connection, selectors.EVENT_READ, pid)
                elif key.fileobj is self._ended:
                    self._ended.recv(1 << 16)
                    self._reap()
                elif key.data in self._drivers:
                    self._kill([key.data])  # nobody waits for it any more
                    self._selector.unregister(key.fileobj)

    def _become(self, connection: socket.socket, files: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        self._selector.close()
        for each in (self._listener, self._ended, self._wake, connection, *self._drivers.values()):
            each.close()

    def _reap(self) -> None:
        while self._drivers:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = self._drivers.pop(pid)
            if connection in self._selector.get_map():
                self._selector.unregister(connection)
                connection.send(bytes([os.waitstatus_to_exitcode(status) % 256]))
            connection.close()

    @staticmethod
    def _kill(drivers: list[int]) -> None:
        for pid in drivers:
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    import_all()
    nest = Nest(sys.argv[1])
    print("ready", flush=True)
    order = nest.order()
    if order is not None:
        run(order["arguments"], order["mutant"])


if __name__ == "__main__":
    main()
