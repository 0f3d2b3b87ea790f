"""The bench of merges: what it refuses, and the memory that it reports."""

from __future__ import annotations

import argparse
import sys

import pytest
import torch
import transformers

from scripts import bench_merge
from workers.merging import Engine, MergeSettings


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--size", "400"], "'400' is no size; give one like 400M or 7B"),
        (["--size", "xM"], "'xM' is no size"),
        (["--modes", "x"], "invalid choice: 'x'"),
    ],
)
def test_wrong_options_are_named_with_status_2(option, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench merge", *option])
    with pytest.raises(SystemExit) as stopped:
        bench_merge.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_the_peak_counts_what_was_let_go_again():
    before = bench_merge.private_bytes()
    peak = bench_merge.peak_of(lambda: float(torch.ones(1 << 26).sum()))
    assert peak - before > 200e6
    assert bench_merge.private_bytes() - before < 200e6


@pytest.mark.slow
def test_a_merge_takes_less_private_memory_than_the_largest_tensor(tmp_path):
    checkpoints = bench_merge.make_models(tmp_path, bench_merge.llama_of("10M"))
    base = checkpoints.pop("base")
    settings = MergeSettings(mode="eager", threads=1, cache=tmp_path / "cache")
    engine = Engine(checkpoints, base, settings=settings)
    engine.prepare()
    live = transformers.AutoModelForCausalLM.from_pretrained(base.path, dtype=torch.bfloat16)
    options = argparse.Namespace(methods=list(bench_merge.PARAMETERS))
    peaks = bench_merge.memory(engine, options, tmp_path, live)
    largest = max(info.nbytes for info in base.tensors.values())
    assert max(peaks.values()) < largest, (peaks, largest)
