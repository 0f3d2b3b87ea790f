"""Every error in tasks is reported before any model is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import LlamaForCausalLM

from evaluators.documents import DocumentSettings
from evaluators.suite import Suite
from evaluators.suite.templates import TEMPLATES
from evaluators.tasks import SuiteSettings, TaskError, TaskFile, benchmark_error

DOCS: list[dict[str, object]] = [
    {"q": f"q{i}", "choices": ["x", "y", "z"], "gold": i % 3} for i in range(30)
]
PICK = {
    "task": "pick",
    "output_type": "multiple_choice",
    "doc_to_text": "{{q}}",
    "doc_to_choice": "choices",
    "doc_to_target": "gold",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
}


@pytest.fixture
def write(write_task: Any, tmp_path: Path) -> Any:
    """A function that writes a task file."""

    def make(docs: list[dict[str, object]] = DOCS, **config: Any) -> Path:
        path: Path = write_task(tmp_path, docs, **{**PICK, **config})
        return path

    return make


def errors(folder: Path, *tasks: str, **settings: Any) -> str:
    with pytest.raises(TaskError) as caught:
        Suite(SuiteSettings(tasks=tasks or ("pick",), folder=folder, **settings))
    return str(caught.value)


def test_all_unknown_tasks_are_named_with_the_closest_known_name(
    write: Any, tmp_path: Path
) -> None:
    write()
    assert errors(tmp_path, "pik", "arc_eazy").splitlines() == [
        "unknown task 'pik'; did you mean pick?",
        "unknown task 'arc_eazy'; did you mean arc_easy?",
    ]


def test_a_missing_folder(tmp_path: Path) -> None:
    assert errors(tmp_path / "nope") == f"tasks folder {tmp_path}/nope: no such directory"


def test_malformed_yaml_is_not_skipped(write: Any, tmp_path: Path) -> None:
    write()
    (tmp_path / "other.yaml").write_text("task: [unclosed\n")
    (tmp_path / "list.yaml").write_text("- task: x\n")
    found = errors(tmp_path).splitlines()
    assert found[0] == f"{tmp_path}/list.yaml: contains a list, not a mapping of keys"
    assert found[1].startswith(f"{tmp_path}/other.yaml: not valid YAML: ")


def test_two_files_of_one_name(write: Any, tmp_path: Path) -> None:
    path = write()
    (tmp_path / "copy.yaml").write_text(path.read_text())
    assert errors(tmp_path) == f"task pick: defined in both {tmp_path}/copy.yaml and {path}"


def test_a_missing_data_file(write: Any, tmp_path: Path) -> None:
    write(dataset_kwargs={"data_files": {"test": "gone.jsonl"}})
    assert errors(tmp_path) == (
        f"task pick: {tmp_path}/pick.yaml names the data file gone.jsonl, which does not exist"
    )


def test_an_empty_split(write: Any, tmp_path: Path) -> None:
    write(docs=[])
    assert errors(tmp_path).startswith("task pick: ")


def test_a_template_with_an_unknown_column(write: Any, tmp_path: Path) -> None:
    write(doc_to_text="{{question}}")
    assert errors(tmp_path) == "task pick: UndefinedError: 'question' is undefined"


def test_a_task_that_a_group_changes_is_no_objective_beside_the_group(
    write: Any, tmp_path: Path
) -> None:
    write()
    member = {"task": "pick", "doc_to_text": "Q: {{q}}", "target_delimiter": "|"}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({"group": "all", "task": [member]}))
    assert errors(tmp_path, "pick", "all") == (
        "task pick: all sets another doc_to_text, target_delimiter for it than the objectives "
        "before, and a task is scored once; copy its file under another `task:` name, and name "
        "that in one of them"
    )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"generation_kwargs": {"do_sample": True}},
            "task pick: do_sample: true needs a temperature above 0 in generation_kwargs; give "
            "one, or remove do_sample to generate the likeliest tokens",
        ),
        (
            {"generation_kwargs": {"temperature": -1}},
            "task pick: temperature is -1; give a finite number, 0 or above",
        ),
        ({"generation_kwargs": {"temperature": float("nan")}}, "task pick: temperature is nan; gi"),
        ({"generation_kwargs": {"do_sample": "yes"}}, "task pick: do_sample is 'yes'; give true o"),
        ({"repeats": 0}, "task pick: repeats is 0; the minimum is 1"),
    ],
    ids=str,
)
def test_generation_that_would_fail_for_every_model(
    config: dict[str, Any], expected: str, write: Any, tmp_path: Path
) -> None:
    write(output_type="generate_until", **config)
    assert errors(tmp_path).startswith(expected)


def test_too_few_documents(write: Any, tmp_path: Path) -> None:
    write(docs=DOCS[:3])
    assert "task pick: 3 documents split into" in errors(tmp_path)


def test_an_f1_of_more_than_two_classes(write: Any, tmp_path: Path) -> None:
    write(metric_list=[{"metric": "f1", "aggregation": "f1", "higher_is_better": True}])
    assert errors(tmp_path).startswith("task pick: f1 cannot be aggregated: Target is multiclass")


def test_a_metric_that_is_listed_but_never_reported_is_not_offered(
    write: Any, tmp_path: Path
) -> None:
    listed = [
        {"metric": name, "aggregation": "mean", "higher_is_better": True}
        for name in ("acc", "perplexity")
    ]
    write(metric_list=listed)
    suite = Suite(SuiteSettings(tasks=("pick",), folder=tmp_path))
    assert suite.metrics() == {"pick": {"acc,none": True, "gold_logprob,none": True}}


def test_documents_longer_than_the_model(
    write: Any, tmp_path: Path, model_dirs: list[Path], tokenizer: Any
) -> None:
    write(docs=[*DOCS, {"q": "long " * 200, "choices": ["x", "y", "z"], "gold": 0}])
    suite = Suite(SuiteSettings(tasks=("pick",), folder=tmp_path))
    with pytest.raises(TaskError) as caught:
        suite.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
    assert str(caught.value) == (
        "task pick: 1 of 31 documents is longer than 513 tokens including prompt and answer; "
        "the longest is document 30 with 1002 tokens"
    )


def test_a_task_with_code_must_be_allowed_by_name(write: Any, tmp_path: Path) -> None:
    path = write()
    (tmp_path / "own.py").write_text("def text(doc):\n    return doc['q']\n")
    path.write_text(path.read_text().replace("'{{q}}'", "!function own.text"))
    assert errors(tmp_path) == (
        f"task pick: {path} runs code (!function own.text); if you trust it, set "
        "`scoring: {allow_code: [pick]}`"
    )
    allowed = SuiteSettings(tasks=("pick",), folder=tmp_path, allow_code=("pick",))
    assert Suite(allowed).metrics()["pick"]["acc,none"]


def test_a_template_that_runs_a_command_must_be_allowed_by_name(write: Any, tmp_path: Path) -> None:
    reach = "{{ cycler.__init__.__globals__.os.makedirs('%s/ran', exist_ok=True) or q }}"
    write(doc_to_text=reach % tmp_path)
    assert "a template accesses more than its document" in errors(tmp_path)
    assert not (tmp_path / "ran").exists()
    Suite(SuiteSettings(tasks=("pick",), folder=tmp_path, allow_code=("pick",)))
    assert (tmp_path / "ran").exists()
    TEMPLATES.trust([])


@pytest.mark.parametrize(
    ("path", "split", "public"),
    [
        ("openai/gsm8k", "test", True),
        ("openai/gsm8k", "test[:50]", True),
        ("openai/gsm8k", "train", False),
        ("Rowan/hellaswag", "validation", True),
        ("json", "test", False),
    ],
)
def test_public_test_sets_are_known_by_data_set_and_split(
    path: str, split: str, public: bool
) -> None:
    file = TaskFile(Path("x.yaml"), "x", {"dataset_path": path, "test_split": split})
    assert (benchmark_error(file) is not None) is public


def test_a_public_test_set_must_be_allowed(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dataset_path="openai/gsm8k", dataset_kwargs={})
    (tmp_path / "openai/gsm8k").mkdir(parents=True)
    (tmp_path / "pick.jsonl").rename(tmp_path / "openai/gsm8k/test.jsonl")
    monkeypatch.chdir(tmp_path)  # the data set is a folder here, so nothing is downloaded
    assert errors(tmp_path) == (
        "task pick: uses the public test set openai/gsm8k, test; models tuned on it cannot be "
        "compared on it; to allow this, set `scoring: {allow_benchmark_tuning: true}`"
    )
    settings = SuiteSettings(tasks=("pick",), folder=tmp_path, allow_benchmark_tuning=True)
    assert Suite(settings).benchmarks == ("openai/gsm8k, test",)


def test_examples_are_never_documents_that_are_scored(write: Any, tmp_path: Path) -> None:
    write(num_fewshot=2)
    assert errors(tmp_path) == (
        "task pick: needs 2 documents for few-shot examples, but 30 of the 30 to draw from are "
        "scored; set `scoring: {hold_out_examples: true}` to score 2 fewer, give the task a "
        "fewshot_split, or set `num_fewshot: 0`"
    )


def test_more_examples_than_there_are_documents(write: Any, tmp_path: Path) -> None:
    write(num_fewshot=31)
    assert errors(tmp_path, hold_out_examples=True) == (
        "task pick: needs 31 documents for few-shot examples, but has 30 to draw from; set a "
        "smaller `num_fewshot`"
    )


@pytest.mark.parametrize("sampler", ["default", "first_n"])
@pytest.mark.parametrize("documents", ["all", {"search": 0.5, "selection": 0.25, "report": 0.25}])
def test_as_many_documents_are_held_out_as_the_examples_need(
    documents: Any, sampler: str, write: Any, tmp_path: Path, model_dirs: list[Path], tokenizer: Any
) -> None:
    write(num_fewshot=2, fewshot_config={"sampler": sampler, "split": "test"})
    split = DocumentSettings.model_validate(documents)
    settings = SuiteSettings(
        tasks=("pick",), folder=tmp_path, documents=split, hold_out_examples=True
    )
    suite = Suite(settings)
    scored = {i for tasks in suite.documents.values() for i in tasks["pick"]}
    assert len(scored) == len(DOCS) - 3  # lm-eval needs one more than it shows
    assert Suite(settings).documents == suite.documents
    assert suite.random_fewshot == ("pick",)
    suite.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
    held_out = {str(DOCS[i]["q"]) for i in set(range(len(DOCS))) - scored}
    for text in suite.probes(texts=40, prompts=0).texts:
        *shown, own = (part.split()[0] for part in text.split("\n\n"))
        assert len(shown) == 2
        assert set(shown) <= held_out
        assert own not in held_out


def test_nothing_is_held_out_where_examples_come_from_documents_that_are_not_scored(
    write: Any, tmp_path: Path
) -> None:
    (tmp_path / "own.jsonl").write_text(
        "".join(json.dumps({"q": f"own{i}", "choices": ["x"], "gold": 0}) + "\n" for i in range(3))
    )
    data = {"data_files": {"test": "pick.jsonl", "train": "own.jsonl"}}
    write(num_fewshot=3, training_split="train", dataset_kwargs=data)
    settings = SuiteSettings(
        tasks=("pick",), folder=tmp_path, documents="all", hold_out_examples=True
    )
    assert len(Suite(settings).documents["search"]["pick"]) == len(DOCS)


def test_scored_documents_among_the_examples_are_left_out(
    write: Any, tmp_path: Path, model_dirs: list[Path], tokenizer: Any
) -> None:
    examples = [*DOCS[:6], *({"q": f"own{i}", "choices": ["x"], "gold": 0} for i in range(6))]
    (tmp_path / "shots.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in examples))
    write(
        num_fewshot=4,
        training_split="train",
        dataset_kwargs={"data_files": {"test": "pick.jsonl", "train": "shots.jsonl"}},
    )
    suite = Suite(SuiteSettings(tasks=("pick",), folder=tmp_path))
    suite.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
    for text in suite.probes(texts=10, prompts=0).texts:
        shown = [part.split()[0] for part in text.split("\n\n")[:-1]]
        assert len(shown) == 4
        assert all(word.startswith("own") for word in shown)


def test_a_target_that_is_no_choice_of_any_document_is_named(write):
    folder = write(doc_to_target="answer").parent
    with pytest.raises(TaskError) as found:
        Suite(SuiteSettings(tasks=("pick",), folder=folder))
    assert "no document has a correct choice: `doc_to_target: answer` of document 0 is" in str(
        found.value
    )
    assert "its columns are q, choices, gold" in str(found.value)


def test_a_damaged_data_file_is_reported_with_its_cause(write, tmp_path):
    folder = write().parent
    (file,) = tmp_path.glob("*.jsonl")
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:4], lines[4][:-1], *lines[5:]]))
    with pytest.raises(TaskError, match="JSON parse error"):
        Suite(SuiteSettings(tasks=("pick",), folder=folder))


def test_a_mistyped_task_is_looked_for_among_those_of_the_folder_first(write):
    folder = write(task="sums").parent
    with pytest.raises(TaskError, match="unknown task 'sumz'; did you mean sums"):
        Suite(SuiteSettings(tasks=("sumz",), folder=folder))
