"""The same bytes: eager or compiled, any threads and chunks, any process, live or in a file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from workers.checkpoint import load_model, open_checkpoint
from workers.merging import Engine, MergeSettings
from workers.merging.compilation import compiler
from workers.methods import METHODS
from workers.recipe import Group, Recipe, Source

ROOT = Path(__file__).parents[2]
NAMES = ("x", "y", "z")
VALUES = {  # of any parameter that a method may have, one for each model where it wants that
    "weight": dict(zip(NAMES, (0.6, 0.4, 0.55), strict=True)),
    "density": dict(zip(NAMES, (0.3, 0.5, 0.9), strict=True)),
    "gamma": 0.05,
    "lambda": 0.8,
    "t": 0.3,
}
SIZES = {"long": 70_001, "block": 1 << 15, "short": 9, "one": 1}


def recipe_of(method: str, source_of, compat=None, **changed) -> Recipe:
    most = METHODS[method].models[1]
    names = NAMES[: most or 3]
    values = {
        name: {n: value[n] for n in names} if isinstance(value, dict) else value
        for name, value in VALUES.items()
        if name in METHODS[method].parameters
    }
    return Recipe(
        method=method,
        models={name: source_of(name) for name in names},
        base=source_of("base"),
        groups=(Group({**values, **changed}),),
        compat=compat,
    )


@pytest.fixture
def engine_with(engine_of):
    """Engines over the same models, by their settings."""
    random = torch.Generator().manual_seed(3)
    base = {name: torch.randn(n, generator=random).bfloat16() for name, n in SIZES.items()}
    base["long"][:9] = -0.0  # the sign of a zero is easily lost
    models = {
        name: {
            key: (each.float() + 0.02 * torch.randn(each.shape, generator=random)).bfloat16()
            for key, each in base.items()
        }
        for name in NAMES
    }
    for each in models.values():
        each["long"][:5] = base["long"][:5]
    return lambda **settings: engine_of(models, base=base, settings=MergeSettings(**settings))


def digest(engine: Engine, recipe: Recipe) -> str:
    found = hashlib.sha256()
    for name, tensor in engine.stream(recipe):
        found.update(name.encode() + tensor.view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize(
    ("method", "compat"),
    [
        *((method, None) for method in METHODS),
        ("dare_linear", "mergekit"),
        ("dare_ties", "mergekit"),
    ],
)
def test_chunks_and_threads_change_no_byte(method, compat, engine_with, source_of):
    for dtype in ("bfloat16", "float32"):
        recipe = replace(recipe_of(method, source_of, compat), dtype=dtype)
        found = {
            digest(engine_with(mode="eager", threads=threads, chunk=chunk), recipe)
            for threads, chunk in ((1, 1 << 16), (1, 1000), (2, 333), (3, 1 << 12))
        }
        assert len(found) == 1


@pytest.mark.parametrize("method", METHODS)
def test_statistics_that_are_not_kept_change_no_byte(method, engine_with, source_of):
    recipe = recipe_of(method, source_of)
    kept, asked = (engine_with(mode="eager", statistics=each) for each in ("kept", "asked"))
    assert digest(asked, recipe) == digest(kept, recipe)


LAYOUTS = {
    "linear": {},
    "ties": {},
    "dare_linear": {},
    "dare_ties": {"normalize": True},
    "breadcrumbs": {},
    "breadcrumbs_ties": {"normalize": False},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch 2.13's own compiler
@pytest.mark.skipif(shutil.which(compiler()) is None, reason="torch finds no C++ compiler")
@pytest.mark.parametrize("method", LAYOUTS)
def test_compiling_changes_no_byte(method, engine_with, source_of):
    recipe = recipe_of(method, source_of, **LAYOUTS[method])
    for dtype, threads in (("bfloat16", 1), ("bfloat16", 2), ("float32", 1)):
        eager = digest(engine_with(mode="eager", threads=1), replace(recipe, dtype=dtype))
        compiled = engine_with(mode="compiled", threads=threads)
        assert digest(compiled, replace(recipe, dtype=dtype)) == eager


WITH_A_BAD_COMPILER = """
    import sys, torch
    from pathlib import Path
    from workers.checkpoint import open_checkpoint
    from workers.merging import Engine, MergeSettings, compilation
    from workers.recipe import Group, Recipe, Source
    compilation.LARGE_MODEL = 0
    folder, mode = Path(sys.argv[1]), sys.argv[2]
    models = {name: Source(str(folder / name)) for name in "xy"}
    opened = {name: open_checkpoint(source) for name, source in models.items()}
    settings = MergeSettings(mode=mode, threads=2, statistics="asked")
    engine = Engine(opened, settings=settings)
    merged = dict(engine.stream(Recipe("linear", models, (Group({"weight": 1.0}),))))
    assert torch.equal(merged["w"], torch.full((70_000,), 2.0)), merged
    assert torch.equal(merged["v"], torch.full((70_000,), 3.0)), merged
    print(engine.mode)
"""


@pytest.mark.slow
@pytest.mark.parametrize("answers", [False, True])
def test_a_compiler_that_cannot_compile_is_named_and_auto_goes_on_eager(
    answers, checkpoint_of, tmp_path
):
    for name, value in (("x", 1.0), ("y", 3.0)):
        checkpoint_of(name, {key: torch.full((70_000,), value + (key == "v")) for key in "wv"})
    bad = tmp_path / "g++"
    bad.write_text('#!/bin/sh\n[ "$1" = --version ] && exec g++ "$@"\nexit 1' if answers else "")
    bad.chmod(0o755)
    env = {**os.environ, "CXX": str(bad), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "kernels")}
    command = [sys.executable, "-c", textwrap.dedent(WITH_A_BAD_COMPILER), str(tmp_path)]
    auto, compiled = (
        subprocess.run(
            [*command, mode], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        for mode in ("auto", "compiled")
    )
    assert auto.stdout.strip() == "eager", auto.stderr
    assert auto.stderr.count("merging eager: torch cannot compile for cpu: ") == 1
    assert "ValueError: mode 'compiled': torch cannot compile for cpu: " in compiled.stderr


@pytest.mark.slow
def test_another_process_merges_the_same_bytes(engine_with, source_of, tmp_path):
    recipe = recipe_of("dare_ties", source_of)
    here = digest(engine_with(mode="eager"), recipe)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    program = (
        "import hashlib, sys, pathlib, torch\n"
        "from workers.checkpoint import open_checkpoint\n"
        "from workers.merging import Engine, MergeSettings\n"
        "from workers.recipe import Recipe\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "recipe = Recipe.from_yaml((folder / 'recipe.yaml').read_text())\n"
        "models = {name: open_checkpoint(source) for name, source in recipe.models.items()}\n"
        "settings = MergeSettings(mode='eager', threads=2, chunk=999, cache=folder / 'other')\n"
        "engine = Engine(models, open_checkpoint(recipe.base), settings=settings)\n"
        "found = hashlib.sha256()\n"
        "for name, tensor in engine.stream(recipe):\n"
        "    found.update(name.encode() + tensor.view(torch.uint8).numpy().tobytes())\n"
        "print(found.hexdigest())\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    there = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here


@pytest.mark.parametrize("dtype", [None, "float32", "bfloat16"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_live_model_gets_the_bytes_that_a_file_gets(dtype, tied, llamas, tmp_path):
    engine, recipe, base = llamas(tied)
    recipe = recipe if dtype is None else replace(recipe, dtype=dtype)
    live = load_model(base)
    merged = engine.apply(recipe, live)
    assert merged.bytes > 0
    parameters = dict(live.named_parameters(remove_duplicate=False))
    for name, tensor in engine.stream(recipe):
        assert torch.equal(parameters[name], tensor.to(parameters[name].dtype))
    heads = (live.get_input_embeddings().weight, live.get_output_embeddings().weight)
    assert (heads[0] is heads[1]) == tied


@pytest.fixture
def llamas(zoo, tmp_path):
    """An engine over a base and three models with random weights, a recipe, and the base."""

    def build(tied: bool):
        folders = {
            name: zoo("llama", i, dtype=torch.bfloat16, tie_word_embeddings=tied)
            for i, name in enumerate(("base", *NAMES))
        }
        opened = {name: open_checkpoint(Source(str(path))) for name, path in folders.items()}
        base = opened.pop("base")
        settings = MergeSettings(mode="eager", cache=tmp_path / "cache")
        recipe = recipe_of("dare_ties", lambda name: Source(str(folders[name])))
        return Engine(opened, base, settings=settings), recipe, base

    return build


@pytest.mark.gpu
@pytest.mark.parametrize("placement", ["device", "pinned", "mapped"])
@pytest.mark.parametrize("mode", ["eager", "compiled"])
@pytest.mark.parametrize("method", METHODS)
def test_a_gpu_merges_the_bytes_that_a_cpu_does(method, mode, placement, engine_with, source_of):
    recipe = recipe_of(method, source_of)
    here = engine_with(mode="eager")
    there = Engine(
        {name: here._model_set.checkpoints[name] for name in NAMES},
        here._model_set.checkpoints["base"],
        settings=MergeSettings(mode=mode, placement=placement, cache=here._settings.cache),
        device="cuda",
    )
    try:
        assert there.placement == placement
        for name, tensor in there.stream(recipe):
            expected = here.merge(recipe, name)
            assert torch.equal(tensor.cpu().view(torch.uint8), expected.view(torch.uint8))
    finally:
        there.close()
