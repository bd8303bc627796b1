"""Runs of few-shot training: exact resume, best checkpoint, judging, and what a user can do wrong."""

import json
import pickle

import pytest
import torch
from fewshot_helpers import WAYS, blobs, small
from scalars import logged

from symloss.errors import ConfigError, RunError, TaskError
from symloss.fewshot import evaluate, load, resume, train
from symloss.fewshot.encoder import Encoder, by_refined_prototypes, stacked
from symloss.fewshot.meta_training import TaskLearner
from symloss.fewshot.settings import method_settings

SHORT = {
    "outer": {"steps": 4, "tasks": 2, "every": 2, "valid": 3, "at_once": "batched"},
    "pretraining": {"steps": 3, "batch": 8},
}


def after(steps):
    """A `stop` that lets so many steps be."""
    left = [steps]

    def stop():
        left[0] -= 1
        return left[0] < 0

    return stop


@pytest.mark.parametrize("method", ["npbml", "maml"])
def test_stopped_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path, method):
    settings = small(method, SHORT)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(settings, blobs(), whole)
    assert not train(settings, blobs(), parts, stop=after(2))
    assert not resume(parts, blobs(), stop=after(3))
    assert resume(parts, blobs())
    assert (whole / "history.jsonl").read_bytes() == (parts / "history.jsonl").read_bytes()
    first, second = (torch.load(p / "state.pt", weights_only=True)["stages"] for p in (whole, parts))
    assert first.keys() == second.keys() == {"encoder", "meta"}
    for stage in first:
        for group in ("parameters", "best"):
            assert all(torch.equal(v, second[stage][group][n]) for n, v in first[stage][group].items())


def test_what_a_killed_process_left_is_gone_on_with(tmp_path):
    """Killed while the folder was made, and between the last state and the history that stands in it."""
    settings = small(
        "maml", {"outer": {"steps": 2, "tasks": 1, "every": 1, "valid": 2, "at_once": "separate"}}
    )
    (tmp_path / ".run.json.new").write_text("{")
    assert train(settings, blobs(), tmp_path)
    history = (tmp_path / "history.jsonl").read_bytes()
    (tmp_path / "history.jsonl").write_bytes(history.splitlines(keepends=True)[0])
    assert resume(tmp_path, blobs())
    assert (tmp_path / "history.jsonl").read_bytes() == history
    record = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**record, "torch": "1.0"}))
    with pytest.raises(RunError, match=r"torch is .* and was 1\.0;.*--force"):
        resume(tmp_path, blobs())
    assert resume(tmp_path, blobs(), force=True)


def test_the_best_checkpoint_is_kept_and_judged(tmp_path):
    train(small("maml", SHORT), blobs(), tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    meta = [row for row in rows if row["stage"] == "meta"]
    shown = logged(tmp_path / "run")
    assert shown["meta/cost"] == pytest.approx({row["step"]: row["cost"] for row in meta}, rel=1e-6)
    assert shown["meta/loss"] == pytest.approx({row["step"]: row["loss"] for row in meta}, rel=1e-6)
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["stages"]["meta"]
    assert state["best_cost"] == min(row["cost"] for row in meta)
    trained = load(tmp_path / "run", blobs())
    errors = trained.learner.errors(trained.meta, blobs().valid, 3)
    assert sum(errors) / 3 == state["best_cost"]


def test_runs_are_judged_on_the_same_tasks(tmp_path):
    for name in ("one", "two"):
        train(small("maml", SHORT), blobs(), tmp_path / name)
    first, second = evaluate([tmp_path / "one", tmp_path / "two"], 5, blobs())
    assert first.errors == second.errors
    assert second.difference.value == second.difference.half == 0
    values = torch.tensor(first.errors, dtype=torch.float64)
    assert first.error.half == pytest.approx(1.96 * values.std().item() / 5**0.5)


def test_an_encoder_learns_from_episodes_where_there_are_no_images(tmp_path):
    settings = small("npbml", SHORT, {"pretraining": {"steps": 2}, "outer": {"steps": 2}})
    assert train(settings, blobs(images=False), tmp_path / "run")


def test_a_relation_network_gives_scores_if_asked_for(tmp_path):
    settings = small("npbml", SHORT, {"relation": {"steps": 2}}, encoder="relation")
    assert train(settings, blobs(shots=2), tmp_path / "run")
    assert len(load(tmp_path / "run", blobs(shots=2)).errors(2)) == 2


def test_prototypes_are_means_of_classes():
    """Examples come class by class; means across classes would say nothing."""
    encoder = Encoder(small("npbml"), (1, 16, 16))
    task = {n: v[0] for n, v in stacked(blobs(shots=2).train, 0, 1, torch.device("cpu")).items()}
    support, query = encoder.pair(encoder.initial(), task)
    expected = torch.stack([support[task["support_y"] == c].mean(0) for c in range(WAYS)])
    found = encoder.scores(encoder.initial(), task, WAYS)
    torch.testing.assert_close(found, (-torch.cdist(query, expected).square()).softmax(1))


@pytest.mark.parametrize("encoder", ["prototypes", "refined"])
@pytest.mark.parametrize("trained", [True, False])
def test_scores_are_the_encoders_whether_its_first_blocks_are_shared_or_not(trained, encoder):
    settings, task = small("npbml", encoder=encoder), blobs(shots=2)
    assert settings.network.frozen
    parameters = Encoder(settings, task.train.shape).initial()
    if trained:
        parameters = {n: v + 0.1 * torch.randn_like(v) for n, v in parameters.items()}
    own = parameters if trained else {}
    learner = TaskLearner(settings, task, own, {}, torch.device("cpu"), batched=True)
    found = learner.tasks(task.train, 3, 2)
    episodes = stacked(task.train, 3, 2, torch.device("cpu"))
    for i in range(2):
        whole = {n: v[i] for n, v in episodes.items()}
        assert found["query_x"][i].shape != whole["query_x"].shape
        plain, refined = (
            scores(parameters, whole, WAYS)
            for scores in (learner.encoder.scores, learner.encoder.refined_scores)
        )
        assert not torch.allclose(plain, refined, atol=1e-3)
        torch.testing.assert_close(found["scores"][i], refined if encoder == "refined" else plain)


def clusters(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries of two classes far apart, and an example of each; the second one's lies aside."""
    generator = torch.Generator().manual_seed(seed)
    middles = torch.tensor([[4.0, 0.0, 1.0], [-4.0, 0.0, 1.0]])
    labels = torch.arange(2).repeat_interleave(20)
    queries = middles[labels] + 0.7 * torch.randn(40, 3, generator=generator)
    return torch.tensor([[4.0, 0.0, 1.0], [2.0, 5.0, 1.0]]), queries, labels


def test_refined_prototypes_learn_from_the_queries():
    support, query, labels = clusters()
    plain = torch.cdist(query, support).argmin(1)
    assert (plain != labels).float().mean() > 0.1
    assert torch.equal(by_refined_prototypes(support, query, 2).argmax(1), labels)


def test_refined_scores_know_no_scale_no_place_and_no_order_of_classes():
    support, query, _ = clusters(1)
    found = by_refined_prototypes(support, query, 2)
    torch.testing.assert_close(found.sum(1), torch.ones(40))
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(2)))[0]
    moved = [(own @ turn) * 50.0 + 7.0 for own in (support, query)]
    torch.testing.assert_close(by_refined_prototypes(*moved, 2), found, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(by_refined_prototypes(support.flip(0), query, 2).flip(1), found)


def test_a_state_that_holds_code_is_not_read(tmp_path):
    train(small("maml", SHORT), blobs(), tmp_path / "run")

    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    torch.save({"stages": Bomb()}, tmp_path / "run" / "state.pt")
    with pytest.raises(RunError, match="damaged"):
        resume(tmp_path / "run", blobs())
    (tmp_path / "run" / "state.pt").write_bytes(pickle.dumps(1)[:3])
    with pytest.raises(RunError, match="damaged"):
        load(tmp_path / "run", blobs())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").write_text("keep me")
    with pytest.raises(RunError, match="not empty"):
        train(small("maml", SHORT), blobs(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"frozen": 9}}, "has 4 blocks"),
        ({"loss": {"metal": True, "inductive": True}}, "whole of a loss"),
        ({"loss": {"residual": False}}, "nothing is left"),
        ({"loss": {"encoder": "relation"}}, "relation.steps"),
        ({"network": {"backbone": "conv9"}}, "network.backbone"),
        ({"inner": {"setps": 3}}, "inner.setps"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        method_settings("maml", changes)


def test_an_unknown_method_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean 'npbml'"):
        method_settings("npml")


def test_a_backbone_that_does_not_suit_the_inputs_is_refused(tmp_path):
    with pytest.raises(TaskError, match="vectors"):
        train(method_settings("maml", {"network": {"backbone": "mlp"}}), blobs(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    for call in (load, resume):
        with pytest.raises(RunError, match="not a run"):
            call(tmp_path)
        with pytest.raises(RunError, match="does not exist"):
            call(tmp_path / "nowhere")


def test_sinusoids_from_the_command_line_with_resume(tmp_path):
    from click.testing import CliRunner

    from symloss.cli import main

    out = str(tmp_path / "run")
    few = "--set outer.valid=4 --set outer.every=2 --set pretraining.steps=0"
    train = f"fewshot train --dataset sinusoids --ways 1 --shots 5 --method maml --backbone mlp {few}"
    done = CliRunner().invoke(main, [*train.split(), "--meta-steps", "3", "--out", out])
    assert done.exit_code == 0, done.output
    assert f"next: symloss fewshot eval {out}" in done.output
    assert CliRunner().invoke(main, ["resume", out]).exit_code == 0
    judged = CliRunner().invoke(main, ["fewshot", "eval", out, out, "--tasks", "4", "--json"])
    first, second = json.loads(judged.output)
    assert first["errors"] == second["errors"]
    again = CliRunner().invoke(main, [*train.split(), "--meta-steps", "3", "--out", out])
    assert again.exit_code == 1
    assert f"symloss resume {out}" in again.output
