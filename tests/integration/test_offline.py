"""The command needs no network: tests start it where connections are refused."""

import os
import subprocess
import sys

import miniature

CONNECT = "import socket; socket.create_connection(('127.0.0.1', 9))"


def test_what_tests_start_can_reach_no_network(tiny_base, tmp_path):
  run = subprocess.run(
    [sys.executable, '-c', CONNECT],
    env=os.environ | miniature.ENVIRONMENT,
    capture_output=True,
    text=True,
  )
  assert 'a run of the product tried to connect' in run.stderr, 'the guard does not work'
  config = miniature.reinforcement(tiny_base, steps=1)
  process = miniature.start(miniature.config_file(tmp_path / 'mini.py', config), tmp_path / 'run')
  _, err = process.communicate()
  assert process.returncode == 0, err
