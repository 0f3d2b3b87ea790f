"""What is written to a run folder is read back unchanged, also after damage."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from evaluators.scores import SCHEMA
from search.ledger import Ledger, Proposal, Trial, parquet
from search.ledger import ledger as ledger_module
from tests.search.conftest import make_space

HEADER = {"name": "test", "objectives": {}, "budget": {"trials": 5}}
SPACE = make_space("linear")
PARAMS = {name: axis.centre for name, axis in SPACE.axes.items()}
RECIPE = SPACE.recipe(PARAMS)


def a_trial(number: int, **changes) -> Trial:
    proposal = Proposal.create(number, RECIPE, PARAMS, notes={"generation": 3})
    return Trial(
        proposal,
        **{
            "state": "scored",
            "order": number,
            "scores": {"x": 0.1 + 0.2},
            "conditions": {"device": "cpu", "threads": 2, "batch_size": 8},
            **changes,
        },
    )


def documents(value: float = 1.0) -> pa.Table:
    rows = [["t", doc, "h", "p", "acc", "none", value, None] for doc in range(3)]
    return pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)


def fill(ledger: Ledger, numbers) -> list[Trial]:
    trials = [a_trial(number) for number in numbers]
    for trial in trials:
        ledger.propose(trial.proposal)
        ledger.finish(trial, documents(trial.number))
    return trials


def ranges(stems: list[str]) -> set[str]:
    return {name for name in stems if "-" in name}


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def ledger(root):
    return Ledger.create(root, HEADER, "name: test\n")


@pytest.fixture
def four_small_files_are_compacted(monkeypatch):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 4)


def test_a_finished_trial_comes_back_as_it_was(ledger):
    trial = a_trial(3, seconds={"merge": 0.25}, worker="host:1", cause=None)
    ledger.propose(trial.proposal)
    ledger.finish(trial, documents())
    (back,) = Ledger(ledger.root).trials()
    assert back == trial
    assert back.proposal.recipe == RECIPE
    assert ledger.documents(3).to_pylist() == documents().to_pylist()


def test_a_trial_of_an_earlier_version_that_kept_no_conditions_is_read():
    content = json.loads(a_trial(3).to_json())
    del content["conditions"]
    assert Trial.from_dict(content) == a_trial(3, conditions=None)


def test_trials_come_in_the_order_of_finishing(ledger):
    for number, order in ((0, 2), (1, 0), (2, 1)):
        trial = a_trial(number, order=order)
        ledger.propose(trial.proposal)
        ledger.finish(trial)
    assert [trial.number for trial in ledger.trials()] == [1, 2, 0]


def test_a_file_that_was_half_written_when_the_driver_died_is_not_read(ledger, root):
    fill(ledger, [0])
    (root / "finished" / ".000001.parquet.4711").write_bytes(b"PAR1 half")
    (root / "proposed" / ".000001.json.4711").write_bytes(b'{"numb')
    assert [each.number for each in ledger.trials()] == [0]
    assert list(ledger.proposals()) == [0]
    with ledger.driving():
        assert not list(root.glob("*/.*"))


def test_a_second_run_is_not_written_over_the_first(ledger):
    with pytest.raises(ValueError, match="already holds a run; continue it by `mergefront resume"):
        Ledger.create(ledger.root, HEADER, "")


def test_a_folder_that_is_not_a_run_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        Ledger(tmp_path)


def test_a_uri_that_is_not_supported_is_named():
    with pytest.raises(ValueError, match="ftp://host/run: not supported as a run folder"):
        Ledger("ftp://host/run")


def test_a_run_of_another_format_is_named(ledger, root):
    (root / "run.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99; this version reads 1"):
        Ledger(root)


def test_a_run_is_the_same_by_its_path_and_by_its_uri(ledger, root):
    written = fill(ledger, [0, 1])
    assert Ledger(f"file://{root}").trials() == written


def test_a_full_disk_leaves_no_partial_file(ledger, root, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        ledger.propose(a_trial(0).proposal)
    assert not list((root / "proposed").iterdir())


# -- compaction


def test_compaction_changes_nothing_but_the_files(ledger, root, four_small_files_are_compacted):
    with ledger.driving():
        written = fill(ledger, range(10))
    files = [path.stem for path in (root / "finished").iterdir()]
    assert len(files) < 10
    assert any("-" in name for name in files)
    assert {path.stem for path in (root / "proposed").iterdir()} == set(files) - ranges(files)
    again = Ledger(root)
    assert again.trials() == written
    assert [again.documents(n)["value"][0].as_py() for n in range(10)] == list(range(10))
    assert not again.contents().damage


def test_of_a_long_run_only_the_last_trials_and_the_indexes_are_read(
    ledger, root, four_small_files_are_compacted, monkeypatch
):
    """So `status` and `front` take a second on 5,000 trials."""
    with ledger.driving():
        written = fill(ledger, range(13))
    names = [path.name for path in (root / "finished").iterdir()]
    read: list[str] = []
    read_trials = parquet.read_trials
    monkeypatch.setattr(
        parquet, "read_trials", lambda path: read.append(Path(path).name) or read_trials(path)
    )
    assert Ledger(root).trials() == written
    assert sorted(read) == sorted(name for name in names if "-" not in name)
    assert len(read) < len(written)


def test_document_scores_of_all_trials_are_one_table_for_any_reader(
    ledger, root, four_small_files_are_compacted
):
    with ledger.driving():
        fill(ledger, range(6))
    found = ds.dataset(root / "finished").to_table()
    assert found.column_names == ["trial", *SCHEMA.names]
    assert sorted(set(found["trial"].to_pylist())) == list(range(6))
    assert found.num_rows == 18


@pytest.mark.parametrize("lost", ["deleted", "truncated"])
def test_a_lost_index_is_not_needed_and_is_written_again(
    ledger, root, four_small_files_are_compacted, lost
):
    with ledger.driving():
        written = fill(ledger, range(5))
    (index,) = (root / "trials").iterdir()
    whole = index.read_bytes()
    index.unlink() if lost == "deleted" else index.write_bytes(whole[:50])
    assert Ledger(root).trials() == written
    with Ledger(root).driving():
        assert index.read_bytes() == whole


def test_a_crash_between_the_large_file_and_the_small_ones_loses_and_doubles_nothing(
    ledger, root, four_small_files_are_compacted, tmp_path
):
    before = tmp_path / "before"
    written = fill(ledger, range(3))
    shutil.copytree(root, before)
    with ledger.driving():
        written += fill(ledger, range(3, 5))
    assert ranges([path.stem for path in (root / "finished").iterdir()])
    shutil.copytree(before, root, dirs_exist_ok=True)  # as if they had not been deleted
    again = Ledger(root)
    assert again.trials() == written
    with again.driving():
        assert not (root / "finished" / "000002.parquet").exists()
    assert Ledger(root).trials() == written


def test_a_full_disk_during_compaction_loses_nothing(
    ledger, root, four_small_files_are_compacted, monkeypatch, caplog
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("search.ledger.parquet.trials_file", full)
    with ledger.driving():
        written = fill(ledger, range(5))
    assert Ledger(root).trials() == written
    assert "4 trials stay in small files" in caplog.text


def test_a_run_that_is_read_while_a_driver_writes_is_complete(
    ledger, root, four_small_files_are_compacted
):
    """A reader meets trials that have just been proposed, finished or compacted."""
    last = threading.Event()

    def drive() -> None:
        with ledger.driving():
            for number in range(150):
                ledger.propose(a_trial(number).proposal)
                if number % 3:  # one runs longer than those after it
                    ledger.finish(a_trial(number, order=number - 1 - number // 3), documents())
        last.set()

    writer, reader, looks = threading.Thread(target=drive), Ledger(root), []
    writer.start()
    while not last.is_set():
        contents = reader.contents()
        assert not contents.damage
        looks.append(len(contents.proposals))
    writer.join()
    assert looks == sorted(looks)
    assert len(looks) > 10
    assert len(reader.contents().trials) == 100
    assert len(reader.contents().waiting) == 50


# -- files that a person deleted or damaged


@pytest.fixture
def large(ledger, root, four_small_files_are_compacted) -> Path:
    """The file of the first four of six trials."""
    with ledger.driving():
        fill(ledger, range(6))
    (found,) = (path for path in (root / "finished").iterdir() if "-" in path.name)
    return found


@pytest.mark.parametrize("lost", ["deleted", "truncated"])
def test_a_lost_large_file_is_named_once_and_its_trials_are_read_from_the_index(
    ledger, root, large, lost
):
    written = ledger.trials()
    large.unlink() if lost == "deleted" else large.write_bytes(large.read_bytes()[:200])
    contents = Ledger(root).contents()
    assert contents.trials == written
    assert not contents.waiting
    (message,) = contents.damage
    assert message.startswith(f"{large}: ")
    assert "the scores per document of its 4 trials are lost" in message
    with pytest.raises(ValueError, match="finished"):
        Ledger(root).documents(0)
    assert Ledger(root).documents(5).num_rows == 3


def test_a_large_file_lost_with_its_index_is_one_message(root, large):
    large.unlink()
    (root / "trials" / large.name).unlink()
    damage = Ledger(root).contents().damage
    assert damage == [
        "proposed/000000.json to proposed/000003.json are missing, and so are their outcomes"
    ]


def test_small_files_that_were_restored_beside_a_damaged_large_one_stay(root, large):
    large.write_bytes(large.read_bytes()[:200])
    small = root / "finished" / "000000.parquet"
    small.write_bytes(parquet.trial_file(a_trial(0), documents(7.0)))
    with Ledger(root).driving():
        assert small.exists()
    assert Ledger(root).documents(0)["value"].to_pylist() == [7.0] * 3


def test_a_truncated_file_is_named_and_the_rest_is_usable(ledger, root):
    fill(ledger, range(4))
    file = root / "finished" / "000002.parquet"
    file.write_bytes(file.read_bytes()[:100])
    contents = Ledger(root).contents()
    assert [trial.number for trial in contents.trials] == [0, 1, 3]
    assert list(contents.waiting) == [2]
    assert str(file) in contents.damage[0]


def test_a_deleted_file_is_noticed_and_its_trial_waits_to_be_scored_again(ledger, root):
    fill(ledger, range(4))
    (root / "finished" / "000002.parquet").unlink()
    contents = Ledger(root).contents()
    assert list(contents.waiting) == [2]
    assert "finished/ lacks 1 file, with as many finished trials" in contents.damage[0]


def test_a_truncated_proposal_is_named_and_its_finished_trial_stays(ledger, root):
    fill(ledger, range(2))
    ledger.propose(a_trial(2).proposal)
    for number in (1, 2):
        (root / "proposed" / f"{number:06}.json").write_text('{"numb')
    contents = Ledger(root).contents()
    assert [trial.number for trial in contents.trials] == [0, 1]
    assert not contents.waiting
    assert len(contents.damage) == 1
    assert "proposed/000002.json" in contents.damage[0]


def test_a_trial_whose_files_are_all_missing_is_named_by_its_number(ledger, root):
    fill(ledger, range(3))
    for name in ("proposed/000001.json", "finished/000001.parquet"):
        (root / name).unlink()
    assert ledger.contents().damage == ["proposed/000001.json is missing, and so is its outcome"]


def test_a_run_never_overwrites_a_config_that_is_not_its_own(tmp_path):
    (tmp_path / "config.yaml").write_text("# mine\n")
    with pytest.raises(ValueError, match=r"config\.yaml exists and belongs to no run"):
        Ledger.create(tmp_path, HEADER, "name: test\n")
    assert (tmp_path / "config.yaml").read_text() == "# mine\n"


def test_a_run_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"run: .*file cannot be written"):
        Ledger.create(tmp_path / "file", HEADER, "name: test\n")


def test_a_driver_that_fails_releases_the_lease(ledger):
    with pytest.raises(KeyboardInterrupt), ledger.driving():
        raise KeyboardInterrupt
    with ledger.driving():
        pass


def test_scores_on_other_documents_are_read_back_and_change_no_trial(ledger):
    with ledger.driving():
        (trial,) = fill(ledger, [3])
        ledger.record_scores("report", replace(trial, scores={"x": 0.25}), documents(0.5))
    again = Ledger(ledger.root)
    assert (again.scored_on("report"), again.scored_on("selection")) == ({3}, set())
    found, table = again.scores_on("report", 3)
    assert found.scores == {"x": 0.25}
    assert table["value"].to_pylist() == [0.5] * 3
    assert again.trials() == [trial]


def test_damaged_scores_on_other_documents_are_named(ledger, root):
    (trial,) = fill(ledger, [3])
    ledger.record_scores("report", trial, documents())
    (root / "report" / "000003.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        ValueError, match=r"report/000003.parquet: .*; if you delete it, it is scored"
    ):
        ledger.scores_on("report", 3)


def test_an_index_without_a_later_column_is_read_and_one_of_another_type_is_damage(tmp_path):
    trials = [replace(a_trial(number), conditions=None) for number in range(3)]
    table = parquet.pq.read_table(pa.BufferReader(parquet.index_file(trials, size=9)))
    earlier, other = tmp_path / "earlier.parquet", tmp_path / "other.parquet"
    parquet.pq.write_table(table.drop_columns(["conditions"]), earlier)
    assert parquet.read_index(earlier) == trials
    names = pa.array(["x"] * len(table))
    parquet.pq.write_table(table.set_column(0, table.column_names[0], names), other)
    with pytest.raises(ValueError, match="Failed to parse"):
        parquet.read_index(other)
