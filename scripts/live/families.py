"""The live families: seven searches that differ in everything a sampler could be tuned to.

Architecture, number of models, kinds of task, conflict between the models, noise of the scores,
size of the space, and number of workers. Two of them are judges, which are looked at only for the
report.
"""

from __future__ import annotations

from collections.abc import Iterable

from scripts.live.family import Family, Task, Training

FOUR = ("linear", "task_arithmetic", "ties", "dare_ties")
FIVE = ("linear", "slerp", "task_arithmetic", "ties", "dare_ties")
REPLAY = 0.05  # share of the texts of each skill that is to be kept


def _fine_tune(
    skill: str, seed: int, kept: Iterable[str] = (), steps: int = 150, rate: float = 1.5e-3
) -> Training:
    """Training for one skill, with a few texts of others that are to be kept."""
    return Training({**dict.fromkeys(kept, REPLAY), skill: 1.0}, steps, rate, seed)


LLAMA3_GENERATION = Family(
    name="llama3-generation",
    tests="strong conflict of three skills that are generated",
    architecture="llama",
    base=Training({"reverse": 1, "rotate": 1, "mirrored": 1}, 550, 4e-3),
    models={
        "reverse": _fine_tune("reverse", 1, steps=200),
        "rotate": _fine_tune("rotate", 2, steps=200),
        "mirrored": _fine_tune("mirrored", 3, steps=200),
    },
    tasks=(
        Task("reverse", "generate", 60),
        Task("rotate", "generate", 60),
        Task("mirrored", "generate", 60),
    ),
    methods=FIVE,
    space={"depth": {"groups": 2}, "modules": ["self_attn", "mlp"]},
    workers=2,
)

QWEN2_PAIR = Family(
    name="qwen2-pair",
    tests="few parameters, two models, a mild conflict",
    architecture="qwen2",
    base=Training({"reverse": 1, "english": 1}, 200, 4e-3),
    models={
        "reverse": _fine_tune("reverse", 1, ["english"]),
        "english": _fine_tune("english", 2, ["reverse"]),
    },
    tasks=(Task("reverse", "choice", 100), Task("english", "rolling", 40)),
    methods=("linear", "slerp", "task_arithmetic", "ties"),
    workers=1,
)

GPT2_ONE = Family(
    name="gpt2-one",
    tests="one objective, a weighted mean, on few documents",
    architecture="gpt2",
    base=Training({"copy": 1, "following": 1, "rotate": 1}, 255, 4e-3),
    models={
        "copy": _fine_tune("copy", 1),
        "following": _fine_tune("following", 2),
        "rotate": _fine_tune("rotate", 3),
    },
    tasks=(
        Task("copy", "generate", 16, "all", 2.0),
        Task("following", "generate", 16, "all", 1.0),
        Task("rotate", "choice", 16, "all", 1.0),
    ),
    methods=FOUR,
    space={"depth": {"groups": 2}},
    workers=4,
    row_tokens=13,
)

LLAMA8_SKILLS = ("copy", "mirrored", "sort", "english")
LLAMA8 = Family(
    name="llama8",
    tests="many parameters and workers; siblings and a model trained on junk",
    architecture="llama",
    base=Training(dict.fromkeys(LLAMA8_SKILLS, 1), 300, 4e-3),
    models={
        "copy": _fine_tune("copy", 1, LLAMA8_SKILLS),
        "copy-b": _fine_tune("copy", 2, LLAMA8_SKILLS, rate=0.8e-3),
        "mirrored": _fine_tune("mirrored", 3, LLAMA8_SKILLS),
        "mirrored-b": _fine_tune("mirrored", 4, LLAMA8_SKILLS, rate=0.8e-3),
        "sort": _fine_tune("sort", 5, LLAMA8_SKILLS),
        "english": _fine_tune("english", 6, LLAMA8_SKILLS),
        "english-b": _fine_tune("english", 7, LLAMA8_SKILLS, rate=0.8e-3),
        "junk": _fine_tune("junk", 8, ()),
    },
    tasks=(
        Task("copy", "generate", 40),
        Task("mirrored", "generate", 40),
        Task("sort", "generate", 40),
        Task("english", "rolling", 24),
    ),
    methods=FOUR,
    space={
        "depth": {"groups": 4},
        "modules": ["self_attn", "mlp", "norm"],
        "membership": True,
        "density": {"depth": {"groups": 4}},
    },
    workers=16,
)

SOUP = Family(
    name="soup",
    tests="no conflict: the uniform soup is about the best merge",
    architecture="llama",
    base=Training({"sort": 1, "german": 1}, 250, 4e-3),
    models={
        name: Training({"sort": 1, "german": 1}, 250, 3e-3, seed)
        for seed, name in enumerate(("one", "two", "three"), 1)
    },
    tasks=(Task("sort", "generate", 100), Task("german", "rolling", 40)),
    methods=FOUR,
    space={"depth": {"groups": 2}},
    workers=4,
)

QWEN2_SKILLS = ("reverse", "sort", "french")
QWEN2_FIVE = Family(
    name="qwen2-five",
    tests="three kinds of task; a sibling and a model trained on junk, which may be left out",
    architecture="qwen2",
    base=Training(dict.fromkeys(QWEN2_SKILLS, 1), 220, 4e-3),
    models={
        "reverse": _fine_tune("reverse", 1, QWEN2_SKILLS),
        "reverse-b": _fine_tune("reverse", 2, QWEN2_SKILLS, rate=0.8e-3),
        "sort": _fine_tune("sort", 3, QWEN2_SKILLS),
        "french": _fine_tune("french", 4, QWEN2_SKILLS),
        "junk": _fine_tune("junk", 5, ()),
    },
    tasks=(
        Task("reverse", "generate", 60),
        Task("sort", "choice", 60),
        Task("french", "rolling", 30),
    ),
    methods=FIVE,
    space={"depth": {"groups": 4}, "modules": ["mlp"], "membership": True},
    workers=4,
    is_judge=True,
)

GPT2_CONFLICT = Family(
    name="gpt2-conflict",
    tests="strong conflict, one candidate after the other",
    architecture="gpt2",
    base=Training({"copy": 1, "following": 1, "rotate": 1}, 250, 4e-3),
    models={
        "rotate": _fine_tune("rotate", 1),
        "following": _fine_tune("following", 2),
        "copy": _fine_tune("copy", 3),
    },
    tasks=(
        Task("rotate", "choice", 80),
        Task("following", "generate", 60),
        Task("copy", "generate", 60),
    ),
    methods=FOUR,
    space={"depth": {"groups": 4}, "modules": ["mlp"]},
    workers=1,
    row_tokens=13,
    is_judge=True,
)

FAMILIES = {
    family.name: family
    for family in (
        LLAMA3_GENERATION,
        QWEN2_PAIR,
        GPT2_ONE,
        LLAMA8,
        SOUP,
        QWEN2_FIVE,
        GPT2_CONFLICT,
    )
}
