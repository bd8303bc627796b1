"""What filters and racing save, and whether they find the same winner.

The proposals of a search without racing are recorded and scored again in other ways: the same formulas in the
same generations, so that what differs is the time and nothing else.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from symloss.config import SearchConfig
from symloss.errors import TaskError
from symloss.expr import format_formula
from symloss.making import grammar_of, make_search, metric_of, task_of
from symloss.meta.calibration import calibrate
from symloss.meta.evaluator import NOT_TUNED, Evaluator
from symloss.meta.racing import bars
from symloss.meta.settings import Racing, Training, Tuning
from symloss.records import Candidate, Ledger, Proposal, Status, ranked
from symloss.tasks import Metric, Task

NEVER = 10**9
"""More references than there are candidates: scores on the way are recorded and nobody is stopped."""

CLOSE = 0.01
"""What costs so much more than the best, as a share, is as good: rounding alone makes a difference."""

RACING = Racing(rungs=(0.1, 0.3, 0.5))
OTHERS = {
    "filters, racing over seeds": Racing(seeds=True),
    "filters, racing before tuning": Racing(tuning=True),
    "filters, racing over seeds and before tuning": Racing(seeds=True, tuning=True),
}
"""What races otherwise; over seeds where there are several."""

CASES = {
    "digits, 40 % label noise": SearchConfig(task="digits", label_noise=0.4),
    "diabetes, 20 % outliers": SearchConfig(task="diabetes", outliers=0.2),
    "mnist1d, 20 % label noise": SearchConfig(task="mnist1d", label_noise=0.2),
    "fashion-mnist, LeNet-5, 40 % label noise": SearchConfig(
        task="fashion-mnist",
        model="lenet5",
        grammar="evomal",
        label_noise=0.4,
        train_size=6000,
        generations=6,
        training=Training(steps=100, learning_rate=0.03),
        tuning=Tuning(steps=50),
    ),
}


class StepTimes(Protocol):
    """Seconds of a tuning step and of a training step of a candidate."""

    @property
    def tuning_step(self) -> float: ...
    @property
    def fitness_step(self) -> float: ...


@dataclass(frozen=True)
class Recording:
    """A search as it was scored in one way: candidates by generation, and seconds of each generation."""

    generations: tuple[tuple[Candidate, ...], ...]
    seconds: tuple[float, ...]

    @property
    def candidates(self) -> list[Candidate]:
        return [c for generation in self.generations for c in generation]

    @property
    def winner(self) -> Candidate:
        return ranked(self.candidates)[0]

    def time_to(self, cost: float) -> float:
        """Seconds until the end of the generation that first reached `cost`; infinite if none did."""
        spent = 0.0
        for generation, took in zip(self.generations, self.seconds, strict=True):
            spent += took
            if any(c.score.fitness is not None and c.score.fitness <= cost for c in generation):
                return spent
        return float("inf")


def calibrated(config: SearchConfig, task: Task, metric: Metric) -> SearchConfig:
    """The configuration with its learning rate."""
    if config.training.learning_rate is not None:
        return config
    rate = calibrate(task, metric, config.training, config.seed).learning_rate
    return replace(config, training=replace(config.training, learning_rate=rate))


def evaluator(config: SearchConfig, task: Task, metric: Metric) -> Evaluator:
    """What scores the candidates of a configuration."""
    return Evaluator(task, metric, config.training, config.tuning, config.filters, config.racing, config.seed)


def recorded(config: SearchConfig, task: Task, metric: Metric) -> tuple[list[list[Proposal]], Recording]:
    """A search, with what it proposed."""
    search = make_search(config, grammar_of(config, task.kind), task)
    judge = evaluator(config, task, metric)
    asked, told, seconds = [], [], []
    for _ in range(config.generations):
        asked.append(search.ask())
        began = time.perf_counter()
        told.append(tuple(judge.evaluate(asked[-1])))
        seconds.append(time.perf_counter() - began)
        search.tell(told[-1])
    return asked, Recording(tuple(told), tuple(seconds))


def replayed(
    proposals: Sequence[Sequence[Proposal]], config: SearchConfig, task: Task, metric: Metric
) -> Recording:
    """The same proposals, scored in the way of `config`."""
    judge = evaluator(config, task, metric)
    told, seconds = [], []
    for asked in proposals:
        began = time.perf_counter()
        told.append(tuple(judge.evaluate(asked)))
        seconds.append(time.perf_counter() - began)
    return Recording(tuple(told), tuple(seconds))


def case_report(name: str, config: SearchConfig, plain: StepTimes | None, racing: Racing) -> list[str]:
    """One search scored in several ways. racing: over steps; of the other ways its reference alone counts."""
    task = task_of(config)
    metric = metric_of(config, task)
    config = replace(calibrated(config, task, metric), racing=racing)
    # Scores on the way are recorded and nobody is stopped.
    proposals, recording = recorded(replace(config, racing=replace(racing, reference=NEVER)), task, metric)
    alone = replace(config, racing=Racing())
    bare = replace(alone, filters=replace(config.filters, duplicates=False, rejection=False))
    ways = {"filters, racing over steps": replayed(proposals, config, task, metric)}
    for label, other in OTHERS.items():
        if config.training.seeds > 1 or not other.seeds:
            own = replace(config, racing=replace(other, reference=racing.reference))
            ways[label] = replayed(proposals, own, task, metric)
    ways["filters, no racing (the default)"] = replayed(proposals, alone, task, metric)
    ways["neither"] = replayed(proposals, bare, task, metric)
    winner = recording.winner
    assert winner.score.fitness is not None
    enough = winner.score.fitness * (1.0 + CLOSE)
    lines = [
        f"## {name}",
        "",
        f"{len(recording.candidates)} candidates, {config.training.steps} training steps, "
        f"{config.training.seeds} seeds, {config.tuning.steps} tuning steps, base model {task.model_name}.",
        "",
        "| | seconds | candidates a second | to the best | winner | its cost |",
        "|---|---|---|---|---|---|",
    ]
    for label, way in ways.items():
        total = sum(way.seconds)
        same = "same" if way.winner.loss.expression == winner.loss.expression else f"{way.winner.id}"
        reached = way.time_to(enough)
        lines.append(
            f"| {label} | {total:.1f} | {len(way.candidates) / total:.1f} | "
            f"{f'{reached:.1f} s' if math.isfinite(reached) else 'never'} | "
            f"{same} | {way.winner.score.fitness:.4f} |"
        )
    if plain is not None:
        lines.append(plain_row(recording, config, plain, enough))
    lines += [
        "",
        f"Winner of the search, candidate {winner.id} with cost {winner.score.fitness:.4f}: "
        f"`{format_formula(winner.loss.expression)}`. "
        + " ".join(
            f"{label[9:].capitalize()}: {counts(way)}." for label, way in ways.items() if ", racing" in label
        ),
        "",
        *policy_table(recording, config),
    ]
    return lines


def counts(way: Recording) -> str:
    """How many candidates ended with each status, and how many of these were not tuned."""
    found = Counter(c.score.status for c in way.candidates)
    said = ", ".join(f"{found[status]} {status.value}" for status in Status if found[status])
    untuned = sum(c.score.detail == NOT_TUNED for c in way.candidates)
    return f"{said} ({untuned} of them not tuned)" if untuned else said


def plain_row(recording: Recording, config: SearchConfig, plain: StepTimes, cost: float) -> str:
    """The plain loop doing the same work on every candidate: steps counted, times of steps measured.

    Its tuning steps were measured with a constant on every edge, of which the search merges some.
    """
    training, tuning = config.training, config.tuning
    versions = 2 if tuning.keep_better else 1
    each = tuning.steps * plain.tuning_step + versions * training.seeds * training.steps * plain.fitness_step
    needed = 0
    for generation in recording.generations:
        needed += len(generation)
        if any(c.score.fitness is not None and c.score.fitness <= cost for c in generation):
            break
    total = each * len(recording.candidates)
    return (
        f"| plain loop (from its measured steps) | {total:.0f} | {1 / each:.2f} | {each * needed:.0f} s | | |"
    )


def policy_table(recording: Recording, config: SearchConfig) -> list[str]:
    """What other rules of stopping would have kept, from the scores on the way."""
    scored = [
        [c for c in generation if c.score.status is Status.OK and c.score.curve]
        for generation in recording.generations
    ]
    everyone = [c for generation in scored for c in generation]
    fractions = (*config.racing.rungs, 1.0)
    best = ranked(everyone)[:8]
    lines = ["| rule | training left | best kept | of the best eight |", "|---|---|---|---|"]
    rules = {
        f"bars of the best {config.racing.reference} so far": config.racing,
        "bars without margin": replace(config.racing, margin=0.0),
        "bars of the best 5": replace(config.racing, reference=5),
    }
    outcomes = {name: kept_by_bars(scored, racing) for name, racing in rules.items()}
    outcomes["halving at the first rung"] = kept_by_halving(scored, 1)
    outcomes["halving at every rung"] = kept_by_halving(scored, len(config.racing.rungs))
    for name, reached in outcomes.items():
        spent = sum(fractions[rungs] for rungs in reached.values()) / len(reached)
        kept = {id_ for id_, rungs in reached.items() if rungs == len(fractions) - 1}
        lines.append(
            f"| {name} | {spent:.0%} | {'yes' if best[0].id in kept else 'no'} "
            f"| {sum(c.id in kept for c in best)} |"
        )
    return [*lines, ""]


def kept_by_bars(scored: Sequence[Sequence[Candidate]], racing: Racing) -> dict[int, int]:
    """How many rungs each candidate would have passed."""
    reached: dict[int, int] = {}
    before: list[Candidate] = []
    rungs = len(racing.rungs)
    for generation in scored:
        # The fitness and curve of `before` are those of candidates that ran to the end.
        best_first = Ledger(sorted(before, key=lambda c: c.id)).cheapest()
        limits = bars((c.score for c in best_first), racing, Training(steps=NEVER)).limits
        for candidate in generation:
            passed = [cost <= limit for cost, limit in zip(candidate.score.curve, limits, strict=True)]
            reached[candidate.id] = passed.index(False) if False in passed else rungs
        before += [c for c in generation if reached[c.id] == rungs]
    return reached


def kept_by_halving(scored: Sequence[Sequence[Candidate]], rungs: int) -> dict[int, int]:
    """The same for successive halving within each generation, at the first `rungs` rungs."""
    reached: dict[int, int] = {}
    for generation in scored:
        left = list(generation)
        for rung in range(rungs):
            left.sort(key=lambda c: c.score.curve[rung])
            for candidate in left[(len(left) + 1) // 2 :]:
                reached[candidate.id] = rung
            left = left[: (len(left) + 1) // 2]
        reached |= {candidate.id: len(generation[0].score.curve) for candidate in left}
    return reached


def pipeline_report(device: str, quick: bool, plain: Mapping[str, StepTimes]) -> list[str]:
    """All cases. `plain`: step times of the plain loop by task, where they were measured."""
    lines = [
        "The proposals of one search, scored in several ways; *to the best* is the time until a candidate",
        f"costs at most {CLOSE:.0%} more than the winner of the search, and *winner* is the candidate that",
        "costs least in that way: the same formula, or another by its number. Networks are grouped in other",
        "ways where some are stopped, so costs differ by rounding, which training multiplies, and winners by",
        "small differences of cost. The ways are settings of a search:",
        "",
        "- over steps: `--set racing.rungs=[0.1,0.3,0.5]`, which stops networks after that share of steps;",
        "- over seeds: `--set racing.seeds=true`, which trains the other networks of a candidate only if the",
        "  first keeps up;",
        "- before tuning: `--set racing.tuning=true`, which tunes only what keeps up before it is tuned.",
        "",
        "What keeps up costs no more than the worst of the best eight candidates so far did there, and a",
        "margin. The lower tables have other rules for the same rungs: bars without that margin, bars of the",
        "best five, and going on with the better half of a generation from the first rung or from every one.",
        "*Training left* is the share of training steps that a rule would have spent on the candidates of",
        "the recorded search, *best kept* whether it would have trained the best of them to the end, and",
        "*of the best eight* how many of those.",
        "",
    ]
    print("\n".join(lines), flush=True)
    for name, full in CASES.items():
        config, racing = replace(full, device=device), RACING
        if quick:
            small = replace(config.training, steps=10, seeds=1, learning_rate=0.01)
            config = replace(config, training=small, tuning=Tuning(steps=2), population=6, generations=3)
            racing = replace(RACING, reference=2)
        try:
            report = case_report(name, config, plain.get(config.task), racing)
        except TaskError as error:
            report = [f"{name} is left out: {error}", ""]
        print("\n".join(report), flush=True)
        lines += report
    return lines
