"""Placements: host copies that processes share, and which placement is chosen."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest
import torch

from workers.checkpoint import available_memory
from workers.merging import Engine, MergeSettings
from workers.merging.host_copy import HostCopy, missing_bytes
from workers.merging.model_set import ModelSet
from workers.merging.placement import fits_host

ROWS = {"w": torch.randn(5, 7), "b": torch.randn(3).bfloat16(), "empty": torch.empty(0)}


@pytest.fixture
def model_set(checkpoint_of):
    return ModelSet({"model": checkpoint_of("model", ROWS)}, None)


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shm"
    folder.mkdir()
    return folder


def test_a_host_copy_holds_the_tensors(model_set, shared):
    copy = HostCopy(model_set, "model", pin=False, folder=shared)
    for name, tensor in ROWS.items():
        assert torch.equal(copy.flat(name), tensor.reshape(-1))
        assert copy.flat(name).dtype == tensor.dtype
    copy.close()


def test_processes_share_one_copy_and_the_last_removes_it(model_set, shared):
    first = HostCopy(model_set, "model", pin=False, folder=shared)
    inode = first.path.stat().st_ino

    def another(queue):
        second = HostCopy(model_set, "model", pin=False, folder=shared)
        queue.put((second.path.stat().st_ino, second.flat("w").tolist()))
        second.close()

    processes = multiprocessing.get_context("fork")
    queue = processes.Queue()
    process = processes.Process(target=another, args=(queue,))
    process.start()
    assert queue.get() == (inode, first.flat("w").tolist())
    process.join()
    assert first.path.exists()
    first.close()
    assert list(shared.iterdir()) == []


def test_a_copy_whose_process_died_is_removed_by_the_next(model_set, shared, checkpoint_of):
    def die():
        HostCopy(model_set, "model", pin=False, folder=shared)
        os_exit(1)

    from os import _exit as os_exit

    process = multiprocessing.get_context("fork").Process(target=die)
    process.start()
    process.join()
    assert len(list(shared.iterdir())) == 3  # the copy and its two locks
    other = ModelSet({"other": checkpoint_of("other", {"w": torch.ones(2)})}, None)
    copy = HostCopy(other, "other", pin=False, folder=shared)
    assert {path.stem for path in shared.iterdir()} == {copy.path.name}
    copy.close()


def test_copies_are_pinned_only_where_they_fit(model_set, shared, monkeypatch):
    assert missing_bytes(model_set, shared) == 2 * 256  # aligned
    assert fits_host(model_set, 4 * 256, shared)
    assert not fits_host(model_set, 4 * 256 - 1, shared)
    small = shutil.disk_usage(shared)._replace(free=2 * 256 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: small)  # as /dev/shm in a container
    assert not fits_host(model_set, 1 << 40, shared)


def test_a_copy_that_is_there_costs_the_next_worker_nothing(model_set, shared):
    copy = HostCopy(model_set, "model", pin=False, folder=shared)
    assert missing_bytes(model_set, shared) == 0
    assert fits_host(model_set, 0, shared)
    copy.close()
    assert missing_bytes(model_set, shared) == 2 * 256


def test_the_page_cache_counts_as_memory_that_can_be_had():
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    assert available_memory() == pytest.approx(1024 * kilobytes["MemAvailable"], rel=0.1)


def test_a_gpus_placements_are_refused_on_a_cpu(checkpoint_of, tmp_path):
    settings = MergeSettings(placement="pinned", cache=tmp_path)
    engine = Engine({"model": checkpoint_of("model", {"w": torch.ones(2)})}, settings=settings)
    with pytest.raises(ValueError, match="'pinned' is for a GPU"):
        engine.prepare()


def test_models_stay_mapped_on_a_cpu(checkpoint_of, tmp_path):
    settings = MergeSettings(cache=tmp_path)
    engine = Engine({"model": checkpoint_of("model", {"w": torch.ones(2)})}, settings=settings)
    assert engine.placement == "mapped"
