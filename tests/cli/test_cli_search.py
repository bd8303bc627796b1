"""From a search to code: what the three commands print and keep."""

import json
import math
import re
import runpy
import signal
import time
import warnings

import msgspec
import pytest
import torch
from cli_helpers import contents, process, succeed, symloss

from symloss import load_run
from symloss.cli.folders import chosen_folder
from symloss.expr import parse_expression

COMPARED = ("candidates.jsonl", "candidates.csv", "finalists.jsonl")
"""Files of a run that depend on the command and the seed alone."""


def test_a_search_prints_a_line_for_each_generation(tmp_path):
    lines = succeed(f"search TINY --out {tmp_path / 'run'}").splitlines()
    assert lines[0] == "evomal on digits (linear, error), grammar classification, cpu"
    told = [line for line in lines if line.startswith("generation ")]
    assert [line.split()[1] for line in told] == ["1/2", "2/2"]
    for line, ahead in zip(told, [r"\d\d:\d\d left", "finalists next"], strict=True):
        assert re.search(rf" \d+ candidates  \d+\.\d/s  {ahead}  best ", line)
    assert lines[-1].split() == ["symloss", "export", str(tmp_path / "run"), "--format", "torch"]
    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_a_live_table(tmp_path):
    words = f"search TINY --label-noise 0.4 --out {tmp_path / 'run'}"
    shown = succeed(words, FORCE_COLOR="1", COLUMNS="100", LINES="40")
    assert shown.count("label noise: 432 of 1079 training labels") == 1  # above what is redrawn
    assert shown.count("evomal on digits") == 1
    assert "best by size" in shown
    assert "generation 2/2" in shown
    assert "finished" in shown
    assert "\x1b[" in shown


def test_show_lists_what_the_folder_holds(finished):
    rows = json.loads(succeed(f"show {finished} --json"))
    assert {"id", "formula", "expression", "fitness", "size"} <= set(rows[0])
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        expression = parse_expression(row["expression"])
        assert (expression.size, str(expression)) == (row["size"], row["expression"])
        assert math.isfinite(row["fitness"])
    # Finalists come first, by their second look; the others by their fitness.
    finalists = [row["confirmed"] for row in rows if row["confirmed"] is not None]
    others = [row["fitness"] for row in rows[len(finalists) :]]
    assert len(finalists) == 2
    assert finalists == sorted(finalists)
    assert others == sorted(others)
    everything = json.loads(succeed(f"show {finished} --json --all"))
    assert [row["id"] for row in everything] == list(range(1, 9))


def test_show_prints_the_best_candidates_as_formulas(finished):
    rows = json.loads(succeed(f"show {finished} --json"))
    shown = succeed(f"show {finished} --limit 1", COLUMNS="200")
    assert "digits (linear), metric error, grammar classification, seed 0" in shown
    assert "2 generations: 8 candidates (" in shown
    assert re.search(r"^\d+ kB on disk$", shown, re.MULTILINE)
    assert rows[0]["formula"] in shown
    assert f"... and {len(rows) - 1} more: --limit {len(rows)}" in shown


def test_an_export_is_the_loss_that_was_shown(here):
    best = load_run("run")[0]
    succeed("export run --output best.py")
    code = runpy.run_path("best.py")
    outputs, labels = torch.randn(6, 10), torch.arange(6)
    assert torch.allclose(code["loss"](outputs, labels), best.to_torch()(outputs, labels))
    before = contents(here)
    assert symloss("export run --output best.py").exit_code == 1
    assert contents(here) == before
    succeed("export run --format latex --rank 2 --output best.py --overwrite")
    assert r"\mathcal{L}" in (here / "best.py").read_text()


def test_a_candidate_is_chosen_by_rank_or_id(finished):
    second = load_run(finished)[1]
    by_rank = succeed(f"export {finished} --format latex --rank 2")
    assert by_rank == succeed(f"export {finished} --format latex --id {second.id}")
    assert f"candidate: {second.id}" in by_rank
    assert by_rank != succeed(f"export {finished} --format latex")


@pytest.mark.parametrize("method", ["gp-lfl", "taylorglo", "random"])
def test_every_method_goes_from_data_to_code(method, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"{method} on digits (linear, error)" in succeed(f"search TINY --method {method} --out run")
    rows = json.loads(succeed("show run --json"))
    assert rows
    assert rows[0]["formula"] in succeed("show run --limit 1", COLUMNS="400")
    succeed("export run --output best.py")
    outputs, labels = torch.randn(6, 10), torch.arange(6)
    expected = load_run("run")[0].to_torch()(outputs, labels)
    assert torch.allclose(runpy.run_path("best.py")["loss"](outputs, labels), expected)
    assert json.loads((tmp_path / "run/run.json").read_text())["config"]["method"] == method
    lines = (tmp_path / "run/candidates.jsonl").read_text().splitlines()
    tuned = [line for line in map(json.loads, lines) if line["operation"] == "cma-es"]
    assert len(tuned) == (8 if method == "taylorglo" else 0)


def test_rounding_says_what_it_cost(finished):
    result = symloss(f"export {finished} --format latex --digits 2")
    assert result.exit_code == 0
    assert "2 significant digits" in result.stderr


def test_the_same_command_makes_the_same_files_in_any_process(finished, tmp_path):
    """In this process, and in two others whose sets and dictionaries are in another order."""
    runs = [tmp_path / name for name in ("first", "second")]
    started = [
        process(f"search TINY --out {run}", PYTHONHASHSEED=seed)
        for run, seed in zip(runs, ["1", "2"], strict=True)
    ]
    for one in started:
        output, _ = one.communicate(timeout=120)
        assert one.returncode == 0, output
    for name in COMPARED:
        expected = (finished / name).read_bytes()
        assert [(run / name).read_bytes() for run in runs] == [expected, expected]


def test_another_seed_makes_other_files(finished, tmp_path):
    """So that the comparison above can fail."""
    succeed(f"search TINY --seed 1 --out {tmp_path / 'run'}")
    for name in COMPARED:
        assert (finished / name).read_bytes() != (tmp_path / "run" / name).read_bytes()


def test_an_interrupted_search_says_how_to_go_on(tmp_path):
    """SIGINT after the first generation: the running one is finished and kept, and the rest comes later."""
    run = tmp_path / "run"
    searching = process(f"search TINY --generations 300 --out {run}")
    assert searching.stdout is not None
    for line in searching.stdout:
        if line.startswith("generation 1/"):
            break
    searching.send_signal(signal.SIGINT)
    output, _ = searching.communicate(timeout=60)
    assert searching.returncode == 130, output
    assert f"Go on with: symloss resume {run}" in output
    state = json.loads((run / "state.json").read_text())
    assert 0 < state["generation"] < 300
    assert not state["finished"]
    several = "s" * (state["generation"] != 1)
    assert f"{state['generation']} generation{several}, not finished: " in succeed(f"show {run}")


def test_a_second_interrupt_ends_at_once(tmp_path):
    run = tmp_path / "run"
    # One generation that lasts for minutes.
    searching = process(f"search TINY --set training.steps=1000000 --out {run}")
    assert searching.stdout is not None
    assert "evomal on digits" in searching.stdout.readline()
    assert "determinism: the same candidates bit for bit" in searching.stdout.readline()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        searching.send_signal(signal_number)
        if signal_number is signal.SIGINT:
            assert "press Ctrl-C again" in searching.stdout.readline()
    output, _ = searching.communicate(timeout=30)
    assert searching.returncode == 130, output
    assert output.startswith("stopped at once")
    assert f"symloss resume {run}" in output


@pytest.mark.parametrize(
    "command",
    [
        "evaluate focal --steps 100000",
        "score focal --steps 100000",
        "train-loss ml3 --meta-steps 100000 --out run",
    ],
)
def test_the_last_words_have_a_line_of_their_own(command, tmp_path, monkeypatch):
    """On a terminal the turning clock is gone by then, or a shell's prompt stands on its line."""
    monkeypatch.chdir(tmp_path)
    show = "\x1b[?25h"  # the cursor
    with process(f"{command} --model linear", FORCE_COLOR="1") as running:
        assert running.stdout is not None
        seen = ""
        while seen.count("preparing") < 2:  # it turns
            seen += running.stdout.read(1)
            assert running.poll() is None, seen
        running.send_signal(signal.SIGINT)
        output = running.stdout.read()
    assert running.returncode == 130, output
    clock, words = output.split("stopped")
    assert show in clock
    assert show not in words
    assert words.endswith("\n")


def test_a_time_budget_ends_a_search_early(tmp_path):
    run = tmp_path / "run"
    succeed(f"search TINY --generations 1000 --time-budget 0.5 --out {run}")
    state = json.loads((run / "state.json").read_text())
    assert state["finished"]
    assert 1 <= state["generation"] < 1000
    assert (run / "finalists.jsonl").read_text()


def test_without_out_runs_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        succeed("search TINY --generations 1 --task diabetes")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["diabetes-1", "diabetes-2"]


def test_folders_that_nobody_named_are_taken_by_one_process_each(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with chosen_folder(None, "digits") as first, chosen_folder(None, "digits") as second:
        assert (str(first), str(second)) == ("runs/digits-1", "runs/digits-2")
        (second / "run.json").touch()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["digits-2"]
    assert symloss("search TINY --task digit").exit_code == 1
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["digits-2"]


def test_an_interrupted_learning_of_a_loss_says_how_to_go_on(tmp_path):
    run = tmp_path / "run"
    learning = process(
        f"train-loss ml3 --model linear --train-size 100 --meta-steps 30000 "
        f"--set network.hidden=4 --out {run}"
    )
    while not (run / "run.json").exists():
        assert learning.poll() is None, learning.communicate()[0]
        time.sleep(0.05)
    learning.send_signal(signal.SIGTERM)
    output, _ = learning.communicate(timeout=60)
    assert learning.returncode == 130, output
    assert "press Ctrl-C again to stop at once" in output
    assert f"Go on with: symloss resume {run}" in output
    assert (run / "state.pt").exists()


def test_the_resolved_configuration_is_saved_and_can_be_used_again(finished, tmp_path):
    """Options win over --set, which wins over --config."""
    record = json.loads((finished / "run.json").read_text())
    assert record["config"]["training"]["steps"] == 20
    assert record["config"]["tuning"]["batch_size"] == 128
    assert record["task"]["samples"] == [1079, 359, 359]
    assert set(record["versions"]) == {"torch", "numpy", "sympy", "deap"}
    succeed(f"search --config {finished / 'run.json'} --out {tmp_path / 'again'}")
    for name in COMPARED:
        assert (finished / name).read_bytes() == (tmp_path / "again" / name).read_bytes()

    (tmp_path / "mine.toml").write_text("seed = 1\npopulation = 3\n[training]\nsteps = 7\nbatch_size = 32\n")
    succeed(
        f"search TINY --generations 1 --config {tmp_path / 'mine.toml'} --set seed=2 --seed 3 "
        f"--set training.steps=9 --out {tmp_path / 'mine'}"
    )
    config = json.loads((tmp_path / "mine/run.json").read_text())["config"]
    assert (config["seed"], config["population"]) == (3, 4)
    assert (config["training"]["steps"], config["training"]["batch_size"]) == (9, 32)


@pytest.mark.parametrize("command", ["show", "show --json"])
def test_output_can_be_cut_short_by_a_pipe(finished, command):
    shown = process(f"{command} {finished}")
    assert shown.stdout is not None
    assert shown.stdout.readline()
    shown.stdout.close()
    assert shown.wait(timeout=30) in (0, 1)


def test_a_search_that_beats_no_known_loss_says_so():
    from dataclasses import replace

    from symloss.config import resolve
    from symloss.notes import unbeaten
    from symloss.run import start

    settings = {"training": {"steps": 20, "learning_rate": 0.05}, "finalists": {"count": 0}}
    outcome = start(resolve({"model": "linear", "population": 4, "generations": 1, **settings}))
    assert unbeaten(replace(outcome, baselines=(("perfect", -1.0),)))[0].count("do not beat perfect") == 1
    assert unbeaten(replace(outcome, baselines=(("hopeless", 1e9),))) == []
    assert unbeaten(replace(outcome, baselines=())) == []


def test_finalists_are_compared_with_known_losses_that_were_trained_as_they_were(tmp_path):
    """The costs are those of an independent confirmation, and not those of the calibration."""
    from dataclasses import replace

    from symloss.config import resolve
    from symloss.meta.calibration import known_losses
    from symloss.meta.confirm import best_rate, longer, run_trials
    from symloss.notes import beaten, unbeaten
    from symloss.run import start

    settings = {
        "training": {"steps": 20},
        "tuning": {"steps": 3},
        "finalists": {"count": 1, "seeds": 2, "factors": [1]},
    }
    config = resolve({"model": "linear", "population": 4, "generations": 1, **settings})
    outcome = start(config, tmp_path / "run")
    (calibrated, rivals) = (
        json.loads(line)
        for line in (tmp_path / "run/events.jsonl").read_text().splitlines()
        if "baselines" in line
    )
    training = msgspec.structs.replace(config.training, learning_rate=calibrated["learning_rate"])
    name, cost = outcome.rivals[0]
    assert rivals["baselines"] == dict(outcome.rivals)
    assert len(outcome.rivals) == 3
    loss = known_losses(outcome.task, training, 0)[name]
    rates = [[training.learning_rate]]
    trials = run_trials(
        outcome.task,
        outcome.metric,
        [loss],
        rates,
        [10_000, 10_001],
        longer(training, config.finalists.steps),
    )
    assert best_rate(trials, 0)[1] == cost

    best = next(outcome.candidates.ranked()).confirmation.cost
    worse = replace(outcome, baselines=(("lucky", -1.0),), rivals=(("known", best + 1),))
    assert unbeaten(worse) == []
    (said,) = beaten(worse)
    assert said.startswith(f"candidate {next(outcome.candidates.ranked()).id}, trained longer and from fresh")
    assert f" reaches {best:.4g} ± " in said
    assert said.endswith(f"the best known loss, known, {best + 1:.4g}")
    assert beaten(replace(worse, rivals=(("known", best),))) == beaten(replace(worse, rivals=())) == []
    (said,) = unbeaten(replace(worse, rivals=(("known", best),)))
    assert f"it reaches {best:.4g} and so does not beat known ({best:.4g}); " in said


def test_files_of_a_run_are_found_from_another_folder(tmp_path, monkeypatch):
    """A table, and a metric in code, that were named from the folder in which the search was begun."""
    first, other = tmp_path / "first", tmp_path / "other"
    (first / "my data").mkdir(parents=True)
    other.mkdir()
    rows = "".join(f"{n * 0.37 % 1},{n * 0.73 % 1},{n * 0.11 % 1 + 0.001}\n" for n in range(120))
    for name in ("t.csv", "my data/v.csv"):
        (first / name).write_text("a,b,y\n" + (rows if name == "t.csv" else rows[:600].rpartition("\n")[0]))
    (first / "own.py").write_text("def cost(p, t):\n    return float(abs(p - t).mean())\n")
    monkeypatch.chdir(first)
    words = "--task 'table:t.csv?target=y&valid=my+data/v.csv' --metric own.py:cost --out run"
    succeed(f"search TINY --generations 1 {words}")
    here = succeed("score run --steps 5 --seeds 1")
    monkeypatch.chdir(other)
    assert succeed("score ../first/run --steps 5 --seeds 1") == here
    resumed = symloss("resume ../first/run")
    assert "is finished" in resumed.output
    (first / "t.csv").write_text(f"a,b,y\n{rows}0.5,0.5,0.5\n")
    warned = symloss("score ../first/run --steps 5 --seeds 1").stderr
    assert "are not those of the search in '../first/run' to" in warned
    (first / "own.py").unlink()
    succeed("score ../first/run --steps 5 --seeds 1 --metric mae")  # which replaces it
    (first / "t.csv").unlink()
    refused = symloss("score ../first/run --steps 5 --seeds 1 --metric mae")
    assert refused.exit_code == 1
    assert f"was begun in '{first}', and its file 't.csv' is neither there nor" in refused.output


def test_a_folder_of_data_is_found_from_another_folder(tmp_path, monkeypatch):
    first, other = tmp_path / "first", tmp_path / "other"
    (first / "d").mkdir(parents=True)
    other.mkdir()
    rows = "".join(f"{n * 0.37 % 1},{n * 0.11 % 1 + 0.001}\n" for n in range(120))
    (first / "d/inner.csv").write_text(f"a,y\n{rows}")
    monkeypatch.chdir(first)
    succeed("search TINY --generations 1 --task 'table:inner.csv?target=y' --data-dir d --out run")
    here = succeed("score run --steps 5 --seeds 1")
    monkeypatch.chdir(other)
    there = symloss("score ../first/run --steps 5 --seeds 1")
    assert (there.exit_code, there.stdout, there.stderr) == (0, here, "")
    (first / "d/inner.csv").unlink()  # another task needs it no longer
    succeed("score ../first/run --steps 5 --seeds 1 --task diabetes")


def test_every_candidate_of_a_run_is_a_seed_of_its_grammar(finished, tmp_path):
    """Also where tuning has put weights into its formula that the grammar does not have."""
    told = succeed(f"search TINY --seeds {finished} --population 9 --generations 1 --out {tmp_path / 'next'}")
    first = told.splitlines()[0]
    assert re.fullmatch(r"starting from \d seeds; \d of them as before they were tuned, since .*", first)
    assert "left out" not in first


def test_warnings_of_symloss_are_lines_on_the_terminal(capsys):
    from symloss.cli.terminal import plain_warnings
    from symloss.errors import SymlossWarning

    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        with plain_warnings():
            warnings.warn("CUDA graphs are not used", SymlossWarning, stacklevel=1)
            warnings.warn("something else", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: CUDA graphs are not used\n"
    assert [str(other.message) for other in others] == ["something else"]


def test_a_metric_that_tells_no_losses_apart_is_noted(tmp_path):
    (tmp_path / "flat.py").write_text("def cost(predictions, targets):\n    return 0.5\n")
    words = (
        "search --model linear --population 4 --generations 1 --set training.steps=10 --set tuning.steps=1"
    )
    words += " --set finalists.count=0"
    told = succeed(f"{words} --metric {tmp_path / 'flat.py'}:cost --out {tmp_path / 'run'}")
    assert "note: all known losses cost the same" in told
    assert "note: all known" not in succeed(f"{words} --out {tmp_path / 'other'}")


def test_the_class_that_is_counted_is_named_and_kept(tmp_path):
    rows = [f"{i % 7},{i % 5},{'stays' if i % 4 else 'leaves'}" for i in range(80)]
    (tmp_path / "left.csv").write_text("\n".join(["a,b,left", *rows]) + "\n")
    task = f"'table:{tmp_path}/left.csv?target=left&positive=leaves'"
    told = succeed(f"search TINY --task {task} --metric average-precision --out {tmp_path / 'run'}")
    assert "1 - average-precision of class leaves" in told
    assert "class leaves is positive" in told
    assert "metric average-precision of class leaves" in succeed(f"show {tmp_path / 'run'}")
    budget = "--seeds 2 --choosing-seeds 1 --steps 5 --set widen=0 --set learning_rates=[0.1]"
    judged = succeed(f"evaluate {tmp_path / 'run'} --metrics f1,average-precision {budget} --json")
    (task,) = json.loads(judged)["tasks"]
    assert task["metrics"] == ["average-precision of class leaves", "f1 of class leaves"]


def test_data_that_have_changed_since_a_search_are_told(tmp_path):
    table, run = tmp_path / "left.csv", tmp_path / "run"
    rows = [f"{i % 7},{i % 5},{i % 2}" for i in range(80)]
    table.write_text("\n".join(["a,b,left", *rows]) + "\n")
    succeed(f"search TINY --task 'table:{table}?target=left' --label-noise 0.1 --out {run}")
    budget = "--seeds 2 --choosing-seeds 1 --steps 5 --set widen=0 --set learning_rates=[0.1]"
    commands = [
        f"evaluate {run} {budget}",
        f"evaluate brier --against {run} --label-noise 0.3 --task 'table:{table}?target=left' {budget}",
        f"export {run} --digits 3 --rescore",
        f"score {run} --seeds 1 --steps 5 --learning-rate 0.1",
    ]
    for command in commands:
        assert "warning" not in symloss(command).stderr
    table.write_text("\n".join(["a,b,left", *rows[1:], "6,4,0"]) + "\n")
    for command in commands:
        told = symloss(command)
        assert told.exit_code == 0
        assert told.stderr.count("to the last bit: they have changed since, or") == 1, command
        assert "warning: the data of the task 'table:" in told.stderr
    assert "warning" not in symloss(f"evaluate {run} --task breast-cancer {budget}").stderr


def test_a_search_for_rare_classes_ends_with_a_comparison_with_weights_of_classes(tmp_path):
    told = succeed(f"search TINY --metric balanced-error --out {tmp_path / 'run'}").splitlines()
    assert told[-1].endswith("--against 'cross-entropy,balanced(cross-entropy)'")
    assert "balanced(" not in succeed(f"search TINY --out {tmp_path / 'other'}")
    exported = succeed(f"export {tmp_path / 'run'} --format json")
    facts = json.loads(exported[exported.index("{") : exported.rindex("}") + 1])["facts"]
    assert facts["trained with"] == "SGD, Nesterov momentum 0.9, batches of 128"
    assert facts["libraries"].startswith("torch ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("export balanced(focal)", "which is for evaluate and score; name the loss in it"),
        ("analyze mine.py:loss", "names a function, which evaluate, score and distill take"),
    ],
)
def test_what_is_for_other_commands_is_told(words, sentence):
    result = symloss(words)
    assert result.exit_code == 1
    assert sentence in " ".join(result.output.split())
