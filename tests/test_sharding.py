import jax
import jax.numpy as jnp
import meshes
import numpy as np
import pytest
from families import GQA_CONFIG, V2_CONFIG, V3_CONFIG
from jax.sharding import PartitionSpec
from meshes import (
  CASES,
  FAMILIES,
  FAMILY_CASES,
  LLAMA,
  MESHES,
  NUM_DEVICES,
  host_params,
  prompts,
  shapes_of,
)

from r1jax import sharding
from r1jax.interop import families as folder_families
from r1jax.model import Transformer, sizes
from r1jax.sharding import MeshShape

CONFIGS = sizes.SIZES | {'gqa': GQA_CONFIG, 'v2': V2_CONFIG, 'v3': V3_CONFIG}


@pytest.mark.parametrize('name', CONFIGS)
def test_every_parameter_matches_one_row_that_fits(name):
  """The rest of a parameter's dimensions is at most its layers."""
  for keys, leaf in jax.tree.leaves_with_path(shapes_of(CONFIGS[name])):
    path = sharding.path_of(keys)
    axes = sharding.logical_axes(path, leaf.ndim)
    stacked = path.startswith(('dense_layers/', 'expert_layers/'))
    assert len(axes) == leaf.ndim
    assert not stacked or axes[0] is None
    assert set(axes) - {None} <= set(sharding.MESH_AXES)


def test_every_row_is_of_some_parameter():
  """With the heads, which are no part of a transformer's tree."""
  paths = {'value_head/kernel': 1, 'value_head/bias': 0, 'reward_head/kernel': 1}
  used = {row for path in paths for row in rows_of(path)}
  for config in CONFIGS.values():
    leaves = jax.tree.leaves_with_path(shapes_of(config))
    used |= {row for keys, _ in leaves for row in rows_of(sharding.path_of(keys))}
  assert used == set(sharding.PARAMETERS)
  for path, ndim in paths.items():
    assert len(sharding.logical_axes(path, ndim)) == ndim


def rows_of(path):
  return [row for row in sharding.PARAMETERS if sharding.re.search(rf'(^|/){row}$', path)]


@pytest.mark.parametrize(
  ('path', 'ndim', 'message'),
  [
    ('expert_layers/attention/window', 2, r'^0 rows of sharding.PARAMETERS match'),
    ('my_head', 2, r"^0 rows of sharding.PARAMETERS match 'my_head'"),
    ('head', 4, r"^'head' has 4 dimensions, its row 'head' names \('embed', 'vocab'\)"),
    ('head', 1, "^'head' has 1 dimensions"),
  ],
)
def test_unknown_parameters_are_refused(path, ndim, message):
  with pytest.raises(ValueError, match=message):
    sharding.logical_axes(path, ndim)


def test_experts_are_not_taken_for_dense_layers():
  assert sharding.logical_axes('expert_layers/moe/gate', 4) == (
    None,
    'experts',
    'embed',
    'expert_mlp',
  )
  assert sharding.logical_axes('expert_layers/moe/shared/gate', 3) == (None, 'embed', 'mlp')


@pytest.mark.parametrize(
  ('shape', 'devices', 'expected'),
  [
    (MeshShape(), 8, (8, 1, 1, 1, 1)),
    (MeshShape(data=2, fsdp=-1, tensor=2), 8, (2, 2, 2, 1, 1)),
    (MeshShape(data=1, expert=4, context=2), 8, (1, 1, 1, 4, 2)),
    (MeshShape(), 1, (1, 1, 1, 1, 1)),
  ],
)
def test_what_is_left_is_filled_in(shape, devices, expected):
  assert shape.resolve(devices) == expected


@pytest.mark.parametrize(
  ('shape', 'message'),
  [
    (MeshShape(data=3), 'but there are 8 devices: change config.mesh so that its sizes multiply'),
    (MeshShape(tensor=3), 'but there are 8 devices: change config.mesh'),
    (MeshShape(data=-1, fsdp=-1), 'at most one may be -1'),
    (MeshShape(data=8, fsdp=0), 'sizes are at least 1'),
    (MeshShape(data=-2), 'sizes are at least 1'),
  ],
)
def test_meshes_that_do_not_fit_are_refused(shape, message):
  with pytest.raises(ValueError, match=message):
    shape.resolve(8)


def abstract_mesh(**parts):
  """A mesh of no device, for what needs its sizes alone."""
  shape = {axis: parts.get(axis, 1) for axis in sharding.AXES}
  return jax.sharding.AbstractMesh(
    tuple(shape.values()), sharding.AXES, axis_types=(jax.sharding.AxisType.Auto,) * 5
  )


def test_all_parameters_that_cannot_be_split_are_named():
  params = {
    'embedding': jax.ShapeDtypeStruct((19, 12), jnp.float32),
    'head': jax.ShapeDtypeStruct((12, 18), jnp.float32),
    'dense_layers': {'mlp': {'down': jax.ShapeDtypeStruct((2, 21, 13), jnp.float32)}},
  }
  with pytest.raises(ValueError) as error:
    sharding.parameter_shardings(params, abstract_mesh(fsdp=3, tensor=2))
  assert str(error.value).splitlines() == [
    'these parameters cannot be split over the mesh; change config.mesh:',
    "dense_layers/mlp/down (2, 21, 13): 21 into 2 parts along 'tensor'",
    "dense_layers/mlp/down (2, 21, 13): 13 into 3 parts along ('fsdp', 'context')",
    "embedding (19, 12): 19 into 2 parts along 'tensor'",
  ]


def test_published_models_fit_their_meshes():
  """V3 on 256 devices; the embedding, heads and experts are split as the table says."""
  mesh = abstract_mesh(fsdp=16, tensor=4, expert=4)
  found = sharding.parameter_shardings(shapes_of(CONFIGS['deepseek-v3']), mesh)
  assert found['embedding'].spec == PartitionSpec('tensor', 'fsdp')
  gate = found['expert_layers']['moe']['gate'].spec
  assert gate == PartitionSpec(None, 'expert', 'fsdp', 'tensor')
  assert found['expert_layers']['attention']['out'].spec == PartitionSpec(
    None, 'tensor', None, 'fsdp'
  )


def test_what_splits_tokens_splits_parameters_too():
  """Or V3, whose answers need 16 devices each, would lie on every sixteenth of them."""
  mesh = abstract_mesh(fsdp=4, expert=8, context=16)
  found = sharding.parameter_shardings(shapes_of(CONFIGS['deepseek-v3']), mesh)['expert_layers']
  both = ('fsdp', 'context')
  assert found['moe']['gate'].spec == PartitionSpec(None, 'expert', both)
  assert found['attention']['query_up'].spec == PartitionSpec(None, both)
  assert found['attention']['out'].spec == PartitionSpec(None, None, None, both)


@pytest.mark.parametrize(
  ('sizes', 'spec'),
  [
    ((8, 4, 6), (('data', 'fsdp', 'expert'), 'context', None)),
    ((8, 3, 6), (('data', 'fsdp', 'expert'), None, 'context')),
    ((7, 1, 5), (None, None, None)),
  ],
)
def test_whole_samples_are_split_rather_than_their_tokens(sizes, spec):
  mesh = abstract_mesh(fsdp=4, context=2)
  found = sharding.fitting(sizes, ('prompts', 'samples', 'tokens'), mesh.shape)
  assert found == PartitionSpec(*spec)


def test_constraints_are_nothing_on_one_device():
  x = jnp.ones((4, 2))
  assert sharding.constrain(x, 'prompts', 'samples') is x
  assert sharding.prompt_parts(None) == 1
  np.testing.assert_array_equal(sharding.place({'x': x}, None)['x'], x)


def test_families_are_those_of_folders_and_see_every_axis_split():
  assert FAMILIES.keys() == {family.architecture for family in folder_families.FAMILIES}
  for name, config in FAMILIES.items():
    assert folder_families.write(config)[0].architecture == name
    axes = [MESHES[mesh][0] for family, mesh in FAMILY_CASES if family == name]
    sizes = np.array([shape.resolve(NUM_DEVICES) for shape in axes])
    assert np.all(sizes.max(axis=0) > 1), 'an axis is not split'


def test_models_run_within_ones_own_mesh():
  mesh = jax.make_mesh((1,), ('mine',), axis_types=(jax.sharding.AxisType.Auto,))
  tokens_BL = np.arange(8, dtype=np.int32).reshape(2, 4)
  expected = Transformer(LLAMA).apply({'params': host_params(LLAMA)}, tokens_BL).logits_BLV
  with jax.set_mesh(mesh):
    found = Transformer(LLAMA).apply({'params': host_params(LLAMA)}, tokens_BL).logits_BLV
  np.testing.assert_allclose(found, expected, atol=1e-5)


@meshes.on(CASES)
def test_a_batch_that_a_mesh_cannot_split_is_refused(on_mesh):
  _, mesh, _ = on_mesh
  message = (
    f'3 prompts .* cannot be split into {sharding.prompt_parts(mesh)} parts over the mesh axes '
    'data, fsdp, expert: change config.mesh, or'
  )
  with pytest.raises(ValueError, match=message):
    sharding.place(jax.tree.map(lambda array: array[:3], prompts()), mesh)
