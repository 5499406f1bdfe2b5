"""Is imported by every Python that has this folder in its path: refuses connections."""

import socket


def _refused(self, address):
  if self.family != socket.AF_UNIX:
    raise OSError(f'a run of the product tried to connect to {address}')


socket.socket.connect = socket.socket.connect_ex = _refused
