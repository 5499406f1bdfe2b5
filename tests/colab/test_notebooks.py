"""The notebook runs from its first cell to its last, in a small setting."""

from pathlib import Path

import nbclient
import nbformat
import pytest

COLAB = Path(__file__).parents[2] / 'colab'
NOTEBOOKS = sorted(COLAB.glob('*.ipynb'))


def read(path):
  return nbformat.read(path, as_version=4)


def outputs(notebook, kind):
  cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
  return [output for cell in cells for output in cell.outputs if output.output_type == kind]


def test_there_is_a_notebook():
  assert [path.stem for path in NOTEBOOKS] == ['quickstart']


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_is_kept_without_outputs(path):
  cells = [cell for cell in read(path).cells if cell.cell_type == 'code']
  assert not [cell for cell in cells if cell.outputs or cell.execution_count]


def test_quickstart_trains_and_shows_curves_and_answers(small_run, tmp_path, monkeypatch):
  notebook = read(COLAB / 'quickstart.ipynb')
  monkeypatch.setenv('R1JAX_FLAGS', ' '.join(small_run))
  monkeypatch.setenv('R1JAX_WORKDIR', str(tmp_path / 'run'))
  nbclient.NotebookClient(
    notebook, timeout=900, resources={'metadata': {'path': str(COLAB)}}
  ).execute()
  pictures = [o for o in outputs(notebook, 'display_data') if 'image/png' in o.data]
  assert len(pictures) == 3
  text = ''.join(output.text for output in outputs(notebook, 'stream'))
  assert 'pass@1, strict' in text
  assert 'step 1, rewards' in text and 'step 2, rewards' in text
  assert (tmp_path / 'run' / 'model' / 'config.json').exists()
