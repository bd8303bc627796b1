"""What a suite found, as a page and as LaTeX. Nothing in them is typed by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from symloss.benchmark.command import as_command
from symloss.benchmark.job import CaseResult
from symloss.benchmark.summary import (
    CARRIED,
    learned_cells,
    learned_header,
    lines_of,
    main_cells,
    main_header,
    named,
    others,
    summary,
)
from symloss.escaping import as_latex_text, as_markdown_code, as_markdown_text, on_one_line
from symloss.evaluation.figures import critical_differences
from symloss.evaluation.results import Comparison, Evaluation, TaskResult
from symloss.evaluation.statistics import Ranking, holm, ranking
from symloss.evaluation.tables import (
    COMPARED,
    compared_cells,
    loss_cells,
    loss_header,
    pipes,
    ranked_sentence,
    too_few,
)

RANKS = "results-ranks.svg"


@dataclass(frozen=True)
class Origins:
    """Where numbers come from: the command that made them, the machine, and seconds by kind of work."""

    title: str
    command: str
    machine: str
    seconds: Mapping[str, float]


def documents(origins: Origins, results: Sequence[CaseResult]) -> dict[str, bytes]:
    """results.md, results.tex and the figure of average ranks, by file name."""
    results = together(results)
    ranks = ranks_over(results)
    files = {
        "results.md": as_markdown(origins, results, ranks).encode(),
        "results.tex": as_latex(origins, results).encode(),
    }
    if ranks is not None:
        files[RANKS] = critical_differences(ranks)
    return files


def together(results: Sequence[CaseResult]) -> list[CaseResult]:
    """The same results with p-values corrected for all comparisons of the whole suite."""
    corrected = iter(holm([own.paired.wilcoxon for own in _comparisons(results)]))

    def changed(evaluation: Evaluation) -> Evaluation:
        tasks = []
        for task in evaluation.tasks:
            comparisons = tuple(replace(own, corrected=next(corrected)) for own in task.comparisons)
            tasks.append(replace(task, comparisons=comparisons))
        return replace(evaluation, tasks=tuple(tasks))

    # In the order of `_comparisons`: all of a case before the next.
    return [
        replace(
            result,
            evaluation=changed(result.evaluation),
            transfers=tuple(changed(transfer) for transfer in result.transfers),
            learned=tuple(replace(own, corrected=next(corrected)) for own in result.learned),
        )
        for result in results
    ]


def _comparisons(results: Sequence[CaseResult]) -> Iterator[Comparison]:
    for result in results:
        for evaluation in (result.evaluation, *result.transfers):
            for task in evaluation.tasks:
                yield from task.comparisons
        yield from result.learned


def ranks_over(results: Sequence[CaseResult]) -> Ranking | None:
    """Average ranks over the largest group of cases with the same losses; None if no two have them."""
    groups: dict[frozenset[str], list[TaskResult]] = {}
    for result in results:
        (task,) = result.evaluation.tasks
        groups.setdefault(frozenset(row.name for row in task.rows), []).append(task)
    tasks = max(groups.values(), key=len)
    if len(tasks) < 2:
        return None
    names = [row.name for row in tasks[0].rows]
    means = [{row.name: row.mean(task.metric) for row in task.rows} for task in tasks]
    return ranking(names, [[own[name] for name in names] for own in means])


def protocol(results: Sequence[CaseResult]) -> str:
    """How the numbers came about."""
    comparisons = sum(1 for _ in _comparisons(results))
    fewest = min((result.evaluation.seeds for result in results), default=1)
    return (
        f"Each task is searched on from every search seed{_beginnings(results)}; of what was found, "
        "the loss with the lowest validation cost is *discovered*. It and the losses it is compared "
        "with then get the same budget: settings are chosen on validation data from one grid, fresh seeds "
        "are trained and tested once on clean test data. Lower is better. A win or a loss is one at 5 % by "
        "Wilcoxon's signed-rank test over paired seeds, after Holm's correction for all "
        f"{comparisons} comparisons of this page.{too_few(fewest, comparisons)} "
        + "The best published loss is the one with the lowest mean on the test data, which favours it. "
        * others(lines_of(results, transferred=False))
        + "Intervals and tests say nothing about other splits of the data."
    )


def _beginnings(results: Sequence[CaseResult]) -> str:
    """Which formulas the searches started from, if any."""
    sources = dict.fromkeys(result.case.start_from for result in results)
    origins = [
        "the published losses" if source == "catalogue" else as_markdown_text(source)
        for source in sources
        if source
    ]
    if not origins:
        return ""
    some = " some of them" if "" in sources else ""
    return f",{some} beginning with {' or '.join(origins)} that its grammar can derive"


def as_markdown(origins: Origins, results: Sequence[CaseResult], ranks: Ranking | None) -> str:
    """The whole page."""
    spent = ", ".join(f"{kind} {_spent(seconds)}" for kind, seconds in origins.seconds.items())
    lines = [
        f"# {as_markdown_text(origins.title)}",
        "",
        f"Written by {as_markdown_code(origins.command)}.",
        "",
    ]
    lines += [f"Machine: {as_markdown_text(origins.machine)}. Time: {spent}.", ""]
    lines += [protocol(results), "", *summary(results), ""]
    own = lines_of(results, transferred=False)
    lines += pipes(main_header(own), main_cells(own, main_header(own)))
    if learned := learned_cells(results):
        lines += ["", "Losses that were learned as networks, against the usual loss:", ""]
        lines += pipes(learned_header(results), learned)
    carried = lines_of(results, transferred=True)
    if carried:
        lines += ["", "The same losses on models that they were not searched on:", ""]
        lines += pipes(CARRIED, main_cells(carried, CARRIED))
    if ranks is not None:
        lines += ["", f"![Average ranks and their critical difference]({RANKS})", ""]
        lines.append(as_markdown_text(ranked_sentence(ranks)))
    for result, name in zip(results, named(results), strict=True):
        lines += ["", *_section(result, name)]
    return "\n".join(lines) + "\n"


def _spent(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _section(result: CaseResult, name: str) -> list[str]:
    case = result.case
    (task,) = result.evaluation.tasks
    evaluation = result.evaluation
    lines = [f"## {as_markdown_text(name)}", ""]
    lines += [f"{as_markdown_text(note, first=True)}." for note in task.notes] + [""] * bool(task.notes)
    command = as_command(result.chosen.config, result.case.start_from)
    lines += [f"{as_markdown_code(command)} found", "", f"    {result.chosen.formula}", ""]
    header = ["search seed", "candidates", "seconds", "validation", "best formula"]
    cells = [
        [
            str(own.config.seed),
            str(own.candidates),
            f"{own.seconds:.0f}",
            f"{own.cost:.4g}",
            as_markdown_code(own.formula, in_table=True),
        ]
        for own in result.searches
    ]
    lines += [_raw(header), _raw(["---"] * len(header)), *map(_raw, cells), ""]
    decays = len(case.budget.weight_decays)
    lines += [
        f"{evaluation.steps} steps, {evaluation.choosing_seeds} seed{'s' * (evaluation.choosing_seeds != 1)} "
        "for each setting that is tried"
        + (f" ({decays} weight decays)" if decays > 1 else "")
        + f", {evaluation.seeds} to test.",
        "",
        *pipes(loss_header(task), loss_cells(task)),
        "",
        *pipes(COMPARED, compared_cells([*task.comparisons, *result.learned])),
    ]
    return lines


def _raw(cells: Sequence[str]) -> str:
    """A row whose cells are Markdown already; a formula has no bar in it."""
    return f"| {' | '.join(cells)} |"


def as_latex(origins: Origins, results: Sequence[CaseResult]) -> str:
    """The two summarising tables, for documents that use the package booktabs."""
    own = lines_of(results, transferred=False)
    parts = [
        f"% {as_latex_text(origins.title)}; written by {on_one_line(origins.command)}",
        _booktabs(main_header(own), main_cells(own, main_header(own))),
    ]
    if learned := learned_cells(results):
        parts += ["% losses that were learned as networks, against the usual loss"]
        parts += [_booktabs(learned_header(results), learned)]
    carried = lines_of(results, transferred=True)
    if carried:
        parts += ["% on models that the losses were not searched on"]
        parts += [_booktabs(CARRIED, main_cells(carried, CARRIED))]
    return "\n\n".join(parts) + "\n"


def _booktabs(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    rows = [" & ".join(map(as_latex_text, row)).replace("±", r"$\pm$") + r" \\" for row in cells]
    head = " & ".join(as_latex_text(name.capitalize()) for name in header) + r" \\"
    begin = rf"\begin{{tabular}}{{{'l' * len(header)}}}"
    return "\n".join([begin, r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"])
