"""Text that tries to be more than text, and values that hold it."""

from symloss.evaluation.results import Comparison, Evaluation, Row, TaskResult
from symloss.evaluation.statistics import Paired, Ranking

HOSTILE = (
    '"""\nimport os; PWNED = 1\n"""',
    '\\"""; PWNED = 1 #',
    "ends with a backslash \\",
    "a\nkind: regression\nexpression: prediction",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "\x9b31m \u202egnp.exe \x00 \x7f \u2028 \x85 \r",
    "[red]rich[/red] [/] [link=file:///etc]x[/link]",
    "| a | b |\n| --- | --- |",
    "<script>alert(1)</script> &lt; <!-- --> --> ]]>",
    "**bold** _it_ `code` ``two`` # h ![x](http://x.y) [a](b) ~~s~~",
    "- item",
    "1. item",
    "# heading",
    "~~~",
    "===",
    r"} \input{/etc/passwd} % \end{document} $x$ & # _ ^ ~ \\",
    "^^M\\input x ^^5cinput x",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "{0} %s {x!r} ${HOME} $(id) `id`; id",
    ":smile: *x",
    "_hidden $\\frac{",
)


def evaluation_of(names):
    """An evaluation in which everything that a user names has such a name."""
    test = dict.fromkeys(names, (0.5, 0.25))

    def row(name, judged):
        return Row(name, judged, "p", name, 0.1, 0.0, 1, 0.5, test, (0.5, 0.25))

    first, *others = names
    paired = Paired(-0.1, -0.2, 0.0, 0.01, 0.02, -1.0, 2, 0)
    rows = (row(first, True), *(row(name, False) for name in others))
    compared = tuple(Comparison(first, name, paired, 0.03) for name in others)
    tasks = tuple(TaskResult(name, name, tuple(names), (name,), (1, 2), rows, compared) for name in names[:3])
    ranks = tuple(map(float, range(1, len(names) + 1)))
    return Evaluation(2, 1, 10, tasks, Ranking(tuple(names), ranks, 0.5, 1.0, ()))
