"""The examples of docs/using.md run, and train with the exported loss."""

from __future__ import annotations

import ast
import importlib.util
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from documents import TOP, blocks, run

from symloss.cli import main
from symloss.export import read_export, verify

PAGE = (TOP / "docs" / "using.md").read_text(encoding="utf-8")
SECTIONS = {section.partition("\n")[0]: section for section in PAGE.split("\n## ")[1:]}
LEARNABLE = SECTIONS.pop("Constants that go on learning")
EXAMPLES = [
    pytest.param(example, id=f"{title} {i}")
    for title, section in SECTIONS.items()
    for i, example in enumerate(blocks(section, "python"), start=1)
]
COMMANDS = [shlex.split(line)[1:] for block in blocks(PAGE, "sh") for line in block.splitlines()]

FRAMEWORKS = {"pytorch_lightning", "transformers", "accelerate", "skorch", "jax", "optax"}

IGNORED = (
    "'pin_memory' argument is set as true",  # Trainer's default, which means nothing without a GPU
    "The 'train_dataloader' does not have many workers",  # Lightning's advice
    "`isinstance(treespec, LeafSpec)` is deprecated",  # Lightning's own use of torch
)
"""How warnings of the frameworks themselves begin. Others are errors."""

QUIET = {
    "OMP_NUM_THREADS": "1",  # small networks are fastest so
    "CUDA_VISIBLE_DEVICES": "",
    "JAX_PLATFORMS": "cpu",
    "HF_HUB_OFFLINE": "1",
}

ONE_STEP = """
import copy

for row in data[:2]:  # batches have unequal numbers of labels
    row["labels"] = row["input_ids"] if row["labels"].dim() else row["labels"]
model = type(model)(model.config)
for part in model.modules():
    if isinstance(part, torch.nn.Dropout):
        part.p = 0.0

by_hand = copy.deepcopy(model)
batch = {name: torch.stack([row[name] for row in data[:6]]) for name in data[0]}
labels = batch.pop("labels")
compute_loss(by_hand(**batch), labels).backward()

arguments = TrainingArguments("out", max_steps=1, optim="sgd", learning_rate=0.1, max_grad_norm=0.0,
    per_device_train_batch_size=2, gradient_accumulation_steps=3, save_strategy="no")
Trainer(model, arguments, train_dataset=data[:6], compute_loss_func=compute_loss).train()
for p, q in zip(model.parameters(), by_hand.parameters()):
    torch.testing.assert_close(p, q if q.grad is None else q - 0.1 * q.grad, atol=1e-6, rtol=0.0)
"""
"""A step over three accumulated batches is that of gradient descent on the mean over all of their labels."""

PROBABILITIES = """
rows = net.initialize().predict_proba((x[:5] / 16).astype("float32"))
assert abs(rows.sum(axis=1) - 1).max() < 1e-5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's exports are, checked at few points: other tests check exports at all of them."""
    place = tmp_path_factory.mktemp("using")
    every = verify.checks
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(verify, "checks", lambda loss, dtypes: every(loss, dtypes)[:2])
        for command in COMMANDS:
            if command[0] == "export" and ("jax" not in command or installed("jax")):
                symloss(command)
    return place


def symloss(command: list[str]) -> None:
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def frameworks_of(example: str) -> set[str]:
    """The frameworks that an example imports, and what those need besides."""
    imports = [
        node for node in ast.walk(ast.parse(example)) if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    names = {getattr(node, "module", None) or node.names[0].name for node in imports}
    needed = {name.partition(".")[0] for name in names} & FRAMEWORKS
    return needed | {"accelerate"} if "transformers" in needed else needed


def run_example(example: str, folder: Path, check: str) -> str:
    """What an example prints, in a process of its own where `check` has to hold after it."""
    seeded = "import torch\ntorch.manual_seed(0)\n" if "import torch\n" in example else ""
    warnings = [option for text in IGNORED for option in ("-W", f"ignore:{text}")]
    command = [sys.executable, "-W", "error", *warnings, "-c", f"{seeded}{example}\n{check}"]
    return run(command, folder, **QUIET)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_network_learns_what_is_to_be_learned(example: str, folder: Path) -> None:
    used = frameworks_of(example)
    if missing := sorted(name for name in used if not installed(name)):
        pytest.skip(f"{', '.join(missing)} of the extra 'integrations' is not installed")
    more = {"transformers": ONE_STEP, "skorch": PROBABILITIES}
    check = "".join(["assert accuracy > 0.9, accuracy\n", *(more.get(name, "") for name in used)])
    assert "accuracy" in run_example(example, folder, check)


def test_the_page_has_an_example_for_every_framework() -> None:
    shown = [frameworks_of(example.values[0]) for example in EXAMPLES]
    assert set().union(*shown) == FRAMEWORKS
    assert set() in shown  # PyTorch alone


def test_constants_learn_and_are_read_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = blocks(LEARNABLE, "python")
    printed = run_example(example, folder, "assert costs[-1] < 0.9 * costs[0], costs\n")
    (command,) = [command for command in COMMANDS if command[0] == "import"]
    monkeypatch.chdir(folder)
    symloss(command)
    assert str(read_export(folder / "learned.json").loss.expression) == printed.splitlines()[-1]
