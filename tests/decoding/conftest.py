"""Lets the package's tests import the models of `tests/model/families.py`."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'model'))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
