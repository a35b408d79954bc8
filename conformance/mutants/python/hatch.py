"""A driver out of the nest, as a process: ``hatch.py SOCKET [--sync]``. It ends as the driver does, and the driver with it."""

import json
import os
import socket
import sys

order = {"arguments": sys.argv[2:], "mutant": os.environ.get("SKIDBLADNIR_MUTANT")}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    socket.send_fds(connection, [json.dumps(order).encode()], [0, 1, 2])
    code = connection.recv(1)
sys.exit(code[0] if code else 1)
