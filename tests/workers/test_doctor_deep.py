"""What the doctor sees in the weights, and what it says a merge will take."""

from __future__ import annotations

import math

import pytest
import torch

from workers.checkpoint import difference, open_checkpoint
from workers.checkpoint.difference import differences
from workers.doctor import compare_weights, differences_to_html, differences_to_json
from workers.doctor.estimate import estimate
from workers.recipe import Source, TokenizerChoice, is_vocabulary

NAME = "model.layers.1.mlp.up_proj.weight"


def test_norms_cosines_and_conflicts_by_hand(checkpoint_of):
    base = checkpoint_of("base", {NAME: torch.tensor([[3.0, 4.0, 0.0, 0.0]])})
    a = checkpoint_of("a", {NAME: torch.tensor([[4.0, 4.0, 1.0, 0.0]])})  # moves 1, 0, 1, 0
    b = checkpoint_of("b", {NAME: torch.tensor([[2.0, 4.0, 1.0, 1.0]])})  # moves -1, 0, 1, 1
    (found,) = differences(base, {"a": a, "b": b})
    assert (found.layer, found.module, found.entries) == (1, "mlp", 4)
    assert found.norms == pytest.approx({"a": math.sqrt(2) / 5, "b": math.sqrt(3) / 5})
    assert found.cosines[("a", "b")] == pytest.approx(0.0)
    assert found.conflict == pytest.approx(1 / 2)  # two entries are moved by both, one both ways


def test_pieces_give_what_the_whole_gives(zoo, monkeypatch):
    base, *models = (open_checkpoint(Source(str(zoo(seed=seed)))) for seed in range(3))
    named = dict(zip("ab", models, strict=True))
    whole = differences(base, named)
    monkeypatch.setattr(difference, "CHUNK", 37)
    for one, other in zip(whole, differences(base, named), strict=True):
        assert one.conflict == other.conflict
        assert one.norms == pytest.approx(other.norms)
        assert one.cosines == pytest.approx(other.cosines, abs=1e-6)


def test_a_model_that_is_the_base_has_no_length_and_no_angle(zoo):
    found = compare_weights(
        Source(str(zoo())), {"same": Source(str(zoo())), "a": Source(str(zoo(seed=1)))}
    )
    assert {each.norms["same"] for each in found} == {0.0}
    assert {value for each in found for value in each.cosines.values()} == {0.0}


def test_the_picture_is_one_page_with_a_map_for_models_pairs_and_conflict(zoo):
    models = {name: Source(str(zoo(seed=i))) for i, name in enumerate(["<a>", "b"], start=1)}
    found = compare_weights(Source(str(zoo())), models)
    page = differences_to_html(found, "base")
    assert page.count("<table>") == 4
    assert "&lt;a&gt;" in page
    assert "http" not in page
    assert differences_to_json(found)[0]["cosines"].keys() == {"<a> b"}


def test_estimates_have_the_rows_of_the_chosen_tokenizer(zoo):
    base, a = Source(str(zoo())), Source(str(zoo(seed=1)))
    plain, padded = (
        estimate(base, {"a": a}, tokenizer)
        for tokenizer in (None, TokenizerChoice("base", pad_to_multiple_of=1000))
    )
    opened = open_checkpoint(base)
    vocabulary = {n: i for n, i in opened.tensors.items() if is_vocabulary(n)}
    growth = sum((1000 - i.shape[0]) * i.shape[1] * 4 for i in vocabulary.values())
    assert padded.export_disk - plain.export_disk == growth
    assert padded.shared_memory - plain.shared_memory == 2 * growth
    assert plain.vocabulary_disk == 0
    assert padded.vocabulary_disk == 2 * sum(1000 * i.shape[1] * 4 for i in vocabulary.values())
    assert "for vocabularies" in padded.lines()[1]


def test_estimates_follow_from_the_headers(zoo):
    base, a = Source(str(zoo())), Source(str(zoo(seed=1)))
    found = estimate(base, {"a": a})
    opened = open_checkpoint(base)
    assert found.parameters * 4 == opened.nbytes == found.export_disk
    assert found.shared_memory == 2 * opened.nbytes
    assert found.merge_seconds > 0
