"""What a loss does: its pushes from the first step of training to the last, derived from its formula.

`path` follows a sample from wrong to right in numbers of many digits, `turns` finds where it comes to rest,
`limits` what happens at the ends, `sample` and `neighbours` compare over all of training, `sentences` says
what it means, `text` and `figure` show it.
"""

from symloss.report.analysis.analysis import Analysis, analyze

__all__ = ["Analysis", "analyze"]
