"""Suites: what may stand in one, whole small ones, interrupted ones, and what is written at the end."""

from __future__ import annotations

import shlex
import textwrap
from dataclasses import replace

import pytest
from click.testing import CliRunner
from documents import TOP, blocks

import symloss.benchmark.job as room
from symloss.archive import RunFolder
from symloss.benchmark import read_suite, run_suite
from symloss.benchmark.command import as_command
from symloss.benchmark.job import by_hand, judged
from symloss.benchmark.learned import against_usual
from symloss.benchmark.report import Origins, documents, together
from symloss.cli.main import main
from symloss.cli.search import command as search
from symloss.config import SearchConfig, parse_assignments, resolve
from symloss.errors import SymlossError
from symloss.evaluation.statistics import holm, paired
from symloss.expr import print_expression

SMALL = """
title: Two small searches
search:
  population: 5
  generations: 2
  training: {steps: 8, seeds: 1, learning_rate: 0.03, network: chain, models_at_once: 4}
  tuning: {steps: 0}
  finalists: {count: 2, seeds: 1, steps: 1.0, factors: [1.0]}
search_seeds: [0, 1]
against: [cross-entropy, brier]
budget:
  seeds: 3
  choosing_seeds: 1
  learning_rates: [0.01, 0.1]
  widen: 0
  training: {steps: 8, network: chain, models_at_once: 4}
task: {task: digits, model: linear, train_size: 150}
cases:
  - name: clean
    transfer:
      - task: {model: mlp}
  - name: noisy
    task: {label_noise: 0.4}
    search_seeds: [1]
"""


def written(folder, text=SMALL):
    path = folder / "suite.yaml"
    path.write_text(textwrap.dedent(text))
    return path


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return read_suite(written(tmp_path_factory.mktemp("suite")))


@pytest.fixture(scope="module")
def done(plan, tmp_path_factory):
    out = tmp_path_factory.mktemp("done")
    return out, run_suite(plan, out)


ORIGINS = Origins("Two small searches", "symloss benchmark suite.yaml", "a machine", {"search": 60.0})


def test_what_stands_at_a_case_is_laid_over_the_suite(plan):
    clean, noisy = plan.cases
    assert [config.seed for config in clean.searches] == [0, 1]
    assert [config.seed for config in noisy.searches] == [1]
    assert clean.task.label_noise == 0.0
    assert noisy.task.label_noise == noisy.searches[0].label_noise == 0.4
    assert noisy.task.train_size == 150
    (transfer,) = clean.transfers
    assert (transfer.task.model, transfer.task.train_size) == ("mlp", 150)
    assert transfer.against == ()
    assert transfer.budget == clean.budget


def test_a_change_for_one_case_reaches_no_other(tmp_path):
    text = SMALL.replace(
        "    search_seeds: [1]", "    search: {training: {steps: 3}}\n    budget: {training: {steps: 4}}"
    )
    clean, noisy = read_suite(written(tmp_path, text), {"search": {"generations": 7}}).cases
    assert (clean.searches[0].training.steps, noisy.searches[0].training.steps) == (8, 3)
    assert (clean.budget.training.steps, noisy.budget.training.steps) == (8, 4)
    assert noisy.searches[0].training.learning_rate == 0.03
    assert clean.searches[0].generations == noisy.searches[0].generations == 7


MISTAKES = [
    ("cases: []", "length >= 1"),
    ("- just\n- a list", "expected settings by name"),
    ("cases: [{task: {task: digits}}]", "needs a name"),
    ("cases: [{name: 'No Good', task: {}}]", "'name'"),
    ("cases: [{name: ../up}]", "'name'"),
    ("cases: [{name: a, task: {label_nose: 0.1}}]", "did you mean 'label_noise'"),
    ("cases: [{name: a, search: {generation: 3}}]", "did you mean 'generations'"),
    ("cases: [{name: a, search: {seed: 3}}]", "belongs to 'search_seeds'"),
    ("cases: [{name: a, search: {model: mlp}}]", "belongs to 'task'"),
    ("cases: [{name: a, budget: {seeds: 0}}]", "setting 'seeds'"),
    ("cases: [{name: a, budget: {training: {steps: 1e-3}}}]", "found '1e-3'"),
    ("cases: [{name: a, transfer: [{against: [mse]}]}]", "a transfer needs 'task'"),
    ("cases: [{name: a, transfer: [{task: {modl: mlp}}]}]", "did you mean 'model'"),
    ("cases: [{name: a}, {name: a}]", "two cases are called 'a'"),
    ("case: [{name: a}]", "did you mean 'cases'"),
    ("cases: [{name: a}", "not valid YAML"),
    ("title: &x [1]\nsearch: *x", "aliases"),
    ("cases: !!python/object/apply:os.system ['false']", "not valid YAML"),
    ("a: " + "[" * 3000, "nested more than 20 deep"),
    ("\x00", "not valid YAML"),
]


@pytest.mark.parametrize(("text", "words"), MISTAKES, ids=[f"mistake-{i}" for i in range(len(MISTAKES))])
def test_a_mistake_in_a_suite_is_named_in_one_line(tmp_path, text, words):
    path = written(tmp_path, text)
    found = CliRunner().invoke(main, ["benchmark", str(path), "--out", str(tmp_path / "out")])
    assert found.exit_code == 1
    assert words in found.output
    assert str(path) in found.output
    assert found.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_case_that_is_not_there_is_named(tmp_path):
    arguments = ["benchmark", str(written(tmp_path)), "--out", str(tmp_path / "out"), "--case", "nosy"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 1
    assert "did you mean 'noisy'" in found.output


def test_the_loss_with_the_lowest_validation_cost_is_evaluated(done):
    _, (clean, noisy) = done
    assert [own.config.seed for own in clean.searches] == [0, 1]
    assert clean.chosen.cost == min(own.cost for own in clean.searches)
    assert noisy.chosen is noisy.searches[0]
    (task,) = clean.evaluation.tasks
    assert judged(task).name == "discovered"
    assert judged(task).formula == clean.chosen.formula
    assert {row.name for row in by_hand(task)} == {"cross-entropy", "brier"}
    (carried,) = clean.transfers
    assert carried.tasks[0].model == "mlp"
    assert [row.name for row in carried.tasks[0].rows] == ["discovered", "cross-entropy"]


def test_a_suite_that_was_interrupted_ends_alike(plan, done, tmp_path, monkeypatch):
    _, whole = done

    def interrupted(name, after):
        """The function, until it has been called so often."""
        real, calls = getattr(room, name), iter(range(after))

        def wrapped(*arguments, **options):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return wrapped

    for name, after in (("start", 1), ("evaluate", 0), ("evaluate", 1), ("start", 0)):
        with monkeypatch.context() as patched:
            patched.setattr(room, name, interrupted(name, after))
            with pytest.raises(KeyboardInterrupt):
                run_suite(plan, tmp_path)
    assert run_suite(plan, tmp_path) == whole
    monkeypatch.setattr(room, "start", None)  # nothing is searched again
    assert run_suite(plan, tmp_path) == whole


def test_a_search_that_stopped_part_way_goes_on(plan, done, tmp_path):
    case = plan.cases[1]
    (config,) = case.searches
    folder = tmp_path / case.name / "search-1"
    left = [1]

    def stop():
        left[0] -= 1
        return left[0] < 0

    from symloss.run import start

    assert not start(config, folder, stop=stop).complete
    found = room.run_case(case, tmp_path, lambda line: None, lambda: None)
    assert found == done[1][1]


def test_other_settings_do_not_go_on_with_old_searches(plan, done):
    out, _ = done
    case = plan.cases[1]
    (config,) = case.searches
    other = replace(case, searches=(resolve({**_plain(config), "population": 6}),))
    with pytest.raises(SymlossError, match="made with other settings"):
        room.run_case(other, out, lambda line: None, lambda: None)


def _plain(config):
    from symloss.config import to_settings

    return to_settings(config)


def test_the_command_repeats_the_search():
    config = resolve(
        {
            "task": "table:my data.csv?target=x",
            "label_noise": 0.4,
            "augment": False,
            "seed": 3,
            "training": {"steps": 500},
            "racing": {"rungs": [0.1, 0.5]},
        }
    )
    words = shlex.split(as_command(config))
    assert words[:2] == ["symloss", "search"]
    # Below the group: a command keeps the names of its --help from the context in which it is first asked.
    with main.make_context("symloss", words[1:]) as above:
        given = search.make_context("search", words[2:], parent=above).params
    assignments = given.pop("assignments")
    options = {k: v for k, v in given.items() if v is not None and k not in ("out", "config_file")}
    assert resolve(parse_assignments(assignments), options) == config
    assert as_command(SearchConfig()) == "symloss search --task digits"


def test_p_values_are_corrected_for_the_whole_suite(done):
    _, results = done
    corrected = together(results)
    before = [c.paired.wilcoxon for r in results for e in (r.evaluation, *r.transfers) for c in _all(e)]
    after = [c.corrected for r in corrected for e in (r.evaluation, *r.transfers) for c in _all(e)]
    assert after == holm(before)
    assert len(after) == 5


def _all(evaluation):
    return [own for task in evaluation.tasks for own in task.comparisons]


def test_the_page_says_everything(done):
    _, results = done
    files = documents(ORIGINS, results)
    assert set(files) == {"results.md", "results.tex", "results-ranks.svg"}
    page = files["results.md"].decode()
    assert "Written by `symloss benchmark suite.yaml`" in page
    assert "of 2.\n" in page
    for result in results:
        assert result.chosen.formula in page
        assert f"--seed {result.chosen.config.seed}" in page or result.chosen.config.seed == 0
    table = [line for line in page.split("\n") if line.startswith("| digits")]
    assert len(table) == 3  # two cases and a transfer
    assert all(line.count("|") in (9, 7) for line in table)
    latex = files["results.tex"].decode()
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    assert files == documents(ORIGINS, results)


def test_wins_are_counted_from_the_comparisons(done):
    """With all seeds better by a margin and enough of them, the page says so; so it can say otherwise."""
    _, (clean, _) = done
    (task,) = clean.evaluation.tasks
    won = tuple(
        replace(own, paired=replace(own.paired, wilcoxon=1e-6, effect=-1.0)) for own in task.comparisons
    )
    changed = replace(
        clean,
        evaluation=replace(clean.evaluation, tasks=(replace(task, comparisons=won),)),
        transfers=(),
    )
    page = documents(ORIGINS, [changed])["results.md"].decode()
    assert "1 win, 0 ties, 0 losses of 1" in page
    page = documents(ORIGINS, [replace(clean, transfers=())])["results.md"].decode()
    assert "0 wins, 1 tie, 0 losses of 1" in page


def test_the_command_line_runs_a_suite_and_writes_the_gallery(tmp_path, done, monkeypatch):
    monkeypatch.setattr("symloss.gallery.CATALOGUE", {})  # written by the tests of the gallery
    gallery = tmp_path / "gallery"
    path = written(tmp_path)
    arguments = ["benchmark", str(path), "--out", str(tmp_path / "out"), "--case", "noisy"]
    found = CliRunner().invoke(main, [*arguments, "--report", str(tmp_path / "docs")])
    assert found.exit_code == 0, found.output
    assert "--case noisy`" in (tmp_path / "docs" / "results.md").read_text()
    assert "wrote" in found.output
    times = (tmp_path / "out" / "times.jsonl").read_text()
    assert times.count("\n") == 2
    again = CliRunner().invoke(main, [*arguments, "--gallery", str(gallery)])
    assert again.exit_code == 0, again.output
    assert (gallery / "noisy.py").exists() or (gallery / "noisy.json").exists()
    assert "found by `symloss search --task digits" in (gallery / "README.md").read_text()


def test_the_suites_that_are_shipped_and_documented_can_be_read(tmp_path):
    page = (TOP / "docs" / "evaluation.md").read_text()
    (example,) = blocks(page, "yaml")
    plan = read_suite(written(tmp_path, example))
    assert [case.name for case in plan.cases] == ["digits-noise", "mine"]
    shipped = sorted((TOP / "benchmarks").glob("*.yaml"))
    assert shipped
    for path in shipped:
        assert read_suite(path).cases


def test_searches_start_from_published_losses(tmp_path):
    plan = read_suite(written(tmp_path, SMALL + "    start_from: catalogue\n"))
    assert [case.start_from for case in plan.cases] == ["", "catalogue"]
    plan = replace(plan, cases=plan.cases[1:])
    results = run_suite(plan, tmp_path / "out")
    (search,) = results[0].searches
    assert len(search.config.seeds) == 5
    proposed = [own.proposal for own in RunFolder.open(tmp_path / "out/noisy/search-1").candidates()]
    first = {print_expression(own.structure) for own in proposed if own.generation == 0}
    assert len(first & set(search.config.seeds)) >= 3
    page = documents(ORIGINS, results)["results.md"].decode()
    assert "--seeds catalogue` found" in page
    assert "every search seed, beginning with the published losses" in page
    assert run_suite(plan, tmp_path / "out") == results


def test_learned_losses_are_rows_beside_discovered_ones(tmp_path):
    text = SMALL.replace(
        "against: [cross-entropy, brier]",
        "against: []\nlearn: [ml3, adalfl]\nlearning: {offline: {steps: 5}, network: {hidden: 4}, "
        "training: {steps: 6, network: chain, models_at_once: 2}}",
    )
    cases = read_suite(written(tmp_path, text)).cases
    plan = replace(read_suite(written(tmp_path, text)), cases=cases[1:])
    (first,) = run_suite(plan, tmp_path / "out")
    (task,) = first.evaluation.tasks
    assert {row.name for row in task.rows} == {"discovered", "cross-entropy", "ml3", "adalfl"}
    assert [row.name for row in by_hand(task)] == ["cross-entropy"]
    compared = {(own.first, own.second): own.paired for own in first.learned}
    assert set(compared) == {("ml3", "cross-entropy"), ("adalfl", "cross-entropy")}
    costs = {row.name: row.test[task.metric] for row in task.rows}
    assert all(own == paired(costs[ours], costs[usual]) for (ours, usual), own in compared.items())
    (again,) = run_suite(plan, tmp_path / "out")
    assert again.evaluation == first.evaluation
    other = written(tmp_path, text.replace("offline: {steps: 5}", "offline: {steps: 6}"))
    with pytest.raises(SymlossError, match="other settings"):
        run_suite(replace(plan, cases=read_suite(other).cases[1:]), tmp_path / "out")
    with pytest.raises(SymlossError, match="unknown value 'ml4'"):
        read_suite(written(tmp_path, text.replace("[ml3, adalfl]", "[ml4]")))


def test_the_page_compares_learned_losses_with_the_usual_one(done):
    """With made-up comparisons: two cases that have the same title, of which one learned something."""
    _, (clean, _) = done
    (task,) = clean.evaluation.tasks
    brier = next(row for row in task.rows if row.name == "brier")
    learned = replace(brier, name="ml3")
    task = replace(task, rows=(*[row for row in task.rows if row != brier], learned))
    task = replace(task, comparisons=task.comparisons[:1])
    clean = replace(clean, evaluation=replace(clean.evaluation, tasks=(task,)), transfers=())
    found = against_usual(task)
    assert [own.first for own in found] == ["ml3"]
    lost = replace(found[0], paired=replace(found[0].paired, wilcoxon=1e-6, effect=1.0))
    first = replace(clean, learned=(lost,))
    second = replace(clean, case=replace(clean.case, name="again"))
    page = documents(ORIGINS, [first, second])["results.md"].decode()
    assert "A loss network instead of a formula, ml3, against the same: 0 wins, 0 ties, 1 loss of 1." in page
    assert "best published loss" not in page.lower()  # there is none but the usual one
    title = f"{task.title} (clean)"
    (row,) = [line for line in page.split("\n") if line.startswith(f"| {title} ") and "loss, p" in line]
    assert [cell.strip() for cell in row.split("|")][1:5] == [title, "linear", "error", "8"]
    assert f"\n## {title}\n" in page
    assert f"\n## {task.title} (again)\n" in page
    latex = documents(ORIGINS, [first, second])["results.tex"].decode()
    assert latex.count(r"\begin{tabular}") == 2
