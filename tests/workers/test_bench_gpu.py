"""The GPU's check and bench, tried out on a CPU: its status says whether the bytes are equal."""

from __future__ import annotations

import itertools
import sys

import pytest
import torch

from scripts import bench_gpu

ON_CPU = ["bench gpu", "--device", "cpu", "--sizes", "5M", "--methods", "linear", "--repeat", "1"]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench_gpu, "BYTES_SIZE", "5M")
    monkeypatch.setattr(bench_gpu, "BATCH", 1)
    monkeypatch.setattr(bench_gpu, "NEW_TOKENS", 2)
    monkeypatch.setattr(sys, "argv", ON_CPU)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch 2.13's own compiler
def test_one_table_tells_bytes_merges_and_scoring(small, capsys):
    bench_gpu.main()
    head, _, merge, scoring = capsys.readouterr().out.splitlines()
    assert head.startswith(f"cpu, torch {torch.__version__}")
    assert merge.split()[:3] == ["linear", "5M", "mapped"]
    assert merge.endswith("equal")
    assert "generated tokens/s" in scoring


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_other_bytes_end_with_status_1_and_the_method(small, monkeypatch):
    counter = itertools.count()
    monkeypatch.setattr(bench_gpu, "digest", lambda *_: str(next(counter)))
    with pytest.raises(SystemExit, match="other bytes than on a CPU: linear") as stopped:
        bench_gpu.main()
    assert stopped.value.code != 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_no_gpu_is_said_at_once(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["bench gpu"])
    with pytest.raises(SystemExit, match="torch finds no CUDA device"):
        bench_gpu.main()
