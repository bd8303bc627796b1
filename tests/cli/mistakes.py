"""Likely mistakes at the command line: what is typed, and words that the answer has to contain."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mistake:
    """A command that cannot work.

    words: what the answer has to contain. lines: how many it has; grammar errors show the place.
    """

    command: str
    words: tuple[str, ...]
    lines: int = 1

    def __str__(self):
        return self.command


def mistake(command, *words, lines=1):
    return Mistake(command, words, lines)


USER = """
import torch
from torch import nn
from symloss.tasks import Split, Task

def part(n, y=None, x=None):
    x = torch.arange(4.0 * n).reshape(n, 4) / n if x is None else x
    return Split(x, torch.arange(n) % 2 if y is None else y)

def task(outputs=2, **changed):
    train = part(40, **changed)
    parts = train, part(10), part(10)
    return Task("mine", "multiclass", *parts, lambda: nn.Linear(4, outputs), 2, "error", "own")

def raises():
    raise RuntimeError("the disk is on fire")

def junk():
    return 42

def out_of_range():
    return task(y=torch.full((40,), 7))

def not_numbers():
    return task(x=torch.full((40, 4), float("nan")))

def wrong_model():
    return task(outputs=3)

def wants_more(argument):
    return task()

def exits():
    raise SystemExit(3)

def metric_raises(predictions, targets):
    raise ValueError("no such cost")

def metric_text(predictions, targets):
    return "low"

def metric_nan(predictions, targets):
    return float("nan")

calls = []

def metric_soon_nan(predictions, targets):
    calls.append(1)
    return 0.5 if len(calls) <= 2 else float("nan")
"""

FILES = {
    "user.py": USER,
    "wrong.py": "def task(:\n",
    "full/kept.txt": "keep me",
    "homes.csv": "size,price\n1,2.5\n2,3.5\n",
    "cut.grammar": 'grammar cut "x"\nrequire prediction, target\nloss = real +\n',
    "unknown.grammar": 'grammar unknown "x"\nrequire prediction, target\nloss = cos(predicton) - target\n',
    "arity.grammar": 'grammar arity "x"\nrequire prediction, target\nloss = log(prediction, target)\n',
    "blind.grammar": 'grammar blind "x"\nrequire prediction, target\nloss = square(prediction)\n',
    "endless.grammar": 'grammar endless "x"\nrequire prediction, target\nloss = loss + loss\n',
    "empty.grammar": "",
    "broken.toml": "[training\nsteps = 3\n",
    "broken.json": '{"task": ',
    "list.json": "[1]",
    "type.toml": "task = 3\n",
    "typo.toml": "[training]\nstep = 3\n",
}
"""What lies in the working directory, beside a finished run called `run`."""

MISTAKES = [
    mistake("serach", "no command 'serach'", "did you mean 'search'"),
    # Names
    mistake("search --task digit", "unknown task 'digit'", "did you mean 'digits'", "file.py:function"),
    mistake("search --task Digits", "unknown task 'Digits'", "did you mean 'digits'"),
    mistake("search --model MLP", "unknown model 'MLP'", "did you mean 'mlp'"),
    mistake("search --grammar EvoMAL", "no grammar 'EvoMAL'", "did you mean 'evomal'"),
    mistake("search --method EvoMAL", "unknown value 'EvoMAL'", "did you mean 'evomal'"),
    mistake("search --metric F1", "unknown metric 'F1'", "did you mean 'f1'"),
    mistake("search --set steps=5", "unknown setting 'steps'", "did you mean 'training.steps' or"),
    mistake("search --model mpl", "unknown model 'mpl'", "did you mean 'mlp'"),
    mistake("search --task diabetes --model lenet5", "lenet5", "images", "(10,)"),
    mistake("search --task cifar10 --data-dir full", "no folder has", "cifar10", "symloss data get cifar10"),
    mistake("search --task table:none.csv?target=y", "there is no table", "none.csv"),
    mistake("search --task table:homes.csv?target=prise", "homes.csv", "'prise'", "did you mean 'price'"),
    mistake("search --task table:homes.csv", "does not say what to predict", "?target="),
    mistake("data get mnits", "no data set 'mnits'", "did you mean 'mnist'"),
    mistake("data get digits", "no need to fetch 'digits'"),
    mistake("search --metric nll", "unknown metric 'nll'", "did you mean 'cross-entropy'"),
    mistake("search --metric top-50", "'top-50' is always 0 with 10 classes"),
    mistake("search --metric eror", "unknown metric 'eror'", "did you mean 'error'"),
    mistake("search --metric mse", "'mse' is not defined for multiclass", "error, balanced-error"),
    mistake("search --grammar clasification", "no grammar 'clasification'", "did you mean 'classification'"),
    mistake("search --grammar no/such.grammar", "cannot read", "no/such.grammar"),
    mistake("search --grammar full", "cannot read", "full"),
    mistake("search --method evomall", "'method'", "'evomall'", "did you mean 'evomal'"),
    mistake(
        "search --method taylorglo --grammar evomal", "has a polynomial of its own", "found grammar 'evomal'"
    ),
    mistake("search --method taylorglo --population 1", "a population of at least 2", "found 1"),
    mistake(
        "search --method taylorglo --task diabetes --set taylorglo.invariant=true",
        "'taylorglo.invariant' is about classes",
    ),
    mistake("search --set taylorglo.sigma=0", "'taylorglo.sigma'", "a number > 0", "found 0"),
    mistake("search --device gpu", "unknown device 'gpu'", "cpu, cuda, cuda:N or auto"),
    mistake("search --device cpu:3", "'cpu:3'", "cpu, cuda, cuda:N or auto"),
    mistake("search --device meta", "'meta' is not supported", "cpu, cuda, cuda:N or auto"),
    mistake("search --device cuda:99", "'cuda:99'"),
    # Numbers
    mistake("search --population 0", "'population'", "a whole number >= 1", "found 0"),
    mistake("search --population -4", "'population'", "found -4"),
    mistake("search --population many", "--population", "'many' is not a valid integer"),
    mistake("search --generations 0", "'generations'", "found 0"),
    mistake("search --seed -1", "'seed'", "found -1"),
    mistake("search --time-budget -1", "'time_budget'", "a number > 0", "found -1"),
    mistake("search --time-budget inf", "'time_budget'", "a finite number"),
    mistake("search --label-noise 1.5", "'label_noise'", "< 1", "found 1.5"),
    mistake("search --label-noise nan", "'label_noise'", "found nan"),
    mistake("search --asymmetric-noise 1", "'asymmetric_noise'", "< 1", "found 1"),
    mistake("search --heavy-tails -1", "'heavy_tails'", ">= 0", "found -1"),
    mistake("search --heavy-tails 1", "heavy_tails needs a regression task"),
    mistake("search --imbalance 0.5", "'imbalance'", ">= 1", "found 0.5"),
    mistake("search --outliers 0.2", "outliers needs a regression task"),
    mistake("search --task diabetes --label-noise 0.2", "label_noise needs classes"),
    mistake("search --train-size 99999", "train_size", "1079", "found 99999"),
    # Settings
    mistake("search --set training.step=3", "unknown setting 'training.step'", "did you mean 'steps'"),
    mistake("search --set trainig.steps=3", "unknown setting 'trainig'", "did you mean 'training'"),
    mistake("search --set training.steps=-3", "'training.steps'", ">= 1", "found -3"),
    mistake("search --set training.steps=some", "'training.steps'", "a whole number", "found 'some'"),
    mistake("search --set training=3", "'training'", "a table of settings", "found 3"),
    mistake("search --set tuning.weights=edge", "'tuning.weights'", "did you mean 'edges'"),
    mistake("search --set training.learning_rate=inf", "'training.learning_rate'", "a finite number"),
    mistake("search --set finalists.factors=[1,-1]", "'finalists.factors[1]'", "found -1"),
    mistake("search --set finalists.factors=[]", "'finalists.factors'", "length >= 1"),
    mistake("search --set steps", "key=value", "found 'steps'"),
    mistake("search --set =3", "key=value", "found '=3'"),
    mistake("search --config none.toml", "cannot read", "'none.toml'", "No such file"),
    mistake("search --config full", "cannot read", "'full'", "directory"),
    mistake("search --config broken.toml", "'broken.toml' is not valid TOML", "line 1"),
    mistake("search --config broken.json", "'broken.json' is not valid JSON", "line 1"),
    mistake("search --config list.json", "'list.json' holds a list", "expected settings by name"),
    mistake("search --config type.toml", "'task'", "expected text", "found 3"),
    mistake("search --config typo.toml", "unknown setting 'training.step'", "did you mean 'steps'"),
    # Grammars
    mistake("search --grammar cut.grammar", "cut.grammar:3:14", lines=3),
    mistake("search --grammar unknown.grammar", "unknown.grammar:3:12", "predicton", lines=3),
    mistake("search --grammar arity.grammar", "arity.grammar:3:8", "log", "1 argument", "2", lines=3),
    mistake("search --grammar blind.grammar", "blind.grammar:3:", "prediction and target", lines=3),
    mistake("search --grammar endless.grammar", "endless.grammar:3:", "never ends", lines=3),
    mistake("search --grammar empty.grammar", "empty.grammar", "needs one such as"),
    # Run folders
    mistake("search --out full", "'full' exists and is not empty", "choose another --out"),
    mistake("search --out run", "'run' exists and is not empty", "symloss resume run"),
    mistake("search --out user.py", "'user.py' is a file", "choose another --out"),
    mistake("search --out /dev/null/run", "cannot write", "/dev/null/run"),
    mistake("show none", "'none' does not exist", "symloss search --out"),
    mistake("show full", "'full' is not a run folder", "run.json"),
    mistake("show user.py", "'user.py' is a file", "a run folder"),
    mistake("show run --limit 0", "--limit", "0"),
    mistake("resume none", "'none' does not exist"),
    mistake("resume full", "'full' is not a run folder"),
    mistake("resume run", "'run' is finished", "symloss show run"),
    mistake("export none", "'none' is no run folder, no exported file and no loss of the catalogue"),
    mistake("export focall", "no loss of the catalogue", "did you mean 'focal'?"),
    mistake("export FOCAL", "no loss of the catalogue", "did you mean 'focal'?"),
    mistake("export focal(gama=1)", "loss 'focal' has no parameter 'gama'", "did you mean 'gamma'?"),
    mistake("export focl(gamma=1)", "unknown loss 'focl' in 'focl(gamma=1)'", "did you mean 'focal'?"),
    mistake("export focal(gamma=-1)", "gamma must be at least 0", "found -1"),
    mistake("export focal(2)", "once each as name=number", "found '2'"),
    mistake("analyze mse(delta=1)", "loss 'mse' has no parameters"),
    mistake("export focal --kind regression", "loss 'focal' is for multiclass tasks, found regression"),
    mistake("export focal --rank 2", "'focal' is no run folder"),
    mistake("export square(p-y)", "needs its kind of task", "multiclass, binary, regression"),
    mistake("export square(p-) --kind binary", "unexpected ')'", lines=3),
    mistake("export square(p)/2 --kind binary", "unexpected character '/'", "aq(a, b)", lines=3),
    mistake("export p/2 --kind binary", "unexpected character '/'", "aq(a, b)", lines=3),
    mistake("export none.py", "cannot read 'none.py'", "No such file"),
    mistake("export user.py", "was not written by 'symloss export'"),
    mistake("export focal --learnable --format numpy", "only the format torch"),
    mistake("export focal --standalone", "only the format latex", "found format 'torch'"),
    mistake("export focal --guards drop", "no logarithm of a probability whose floor"),
    mistake("export mse --guards drop", "a loss for regression has no logarithm"),
    mistake("verify none.py", "cannot read 'none.py'"),
    mistake("verify", "FILE"),
    mistake("import none.py", "cannot read 'none.py'"),
    mistake("import user.py", "was not written by 'symloss export'"),
    mistake("import full/kept.txt", "cannot be read back"),
    mistake("export full", "'full' is not a run folder"),
    mistake("export run --rank 99", "found rank 99", "symloss show run"),
    mistake("export run --rank 0", "--rank", "0"),
    mistake("search --set racing.seeds=true --set training.seeds=1", "'racing.seeds' has no effect with one"),
    mistake(
        "search --set racing.tuning=true --set tuning.steps=0", "'racing.tuning' has no effect", "leave it"
    ),
    mistake("search --set racing.tuning=true --method gp-lfl", "'racing.tuning' has no effect"),
    mistake("export run --id 99", "no candidate 99 that was trained to the end", "symloss show run"),
    mistake("export run --id 1 --rank 1", "--rank or --id"),
    mistake("export run --format tensorflow", "unknown format 'tensorflow'", "jax, json, latex, numpy, onnx"),
    mistake("export run --digits 0", "--digits", "0"),
    mistake("export run --output full/kept.txt", "full/kept.txt exists", "overwrit"),
    mistake("export run --output full", "full is a folder"),
    mistake("export run --output none/loss.py", "the folder none does not exist"),
    # A user's own code
    mistake("search --task none.py:task", "there is no file", "none.py"),
    mistake("search --task no_such_module:task", "there is no module 'no_such_module'"),
    mistake("search --task user.py", "names no function", "file.py:function"),
    mistake("search --task user.py:tusk", "has no 'tusk'", "did you mean 'task'"),
    mistake("search --task wrong.py:task", "cannot be imported", "wrong.py, line 1"),
    mistake("search --task user.py:raises", "user.py, line ", "the disk is on fire"),
    mistake("search --task user.py:junk", "returned an int", "symloss.tasks.Task"),
    mistake("search --task user.py:exits", "SystemExit"),
    mistake("search --task user.py:wants_more", "argument", "takes no arguments"),
    mistake("search --task user.py:out_of_range", "class ids from 7 to 7", "expected 0 to 1"),
    mistake("search --task user.py:not_numbers", "160 values that are NaN or infinite"),
    mistake("search --task user.py:wrong_model", "(2, 3)", "expected (2, 2)"),
    mistake("search TINY --metric user.py:metric_raises", "user.py, line ", "no such cost"),
    mistake("search TINY --metric user.py:metric_text", "returned a str", "expected a float"),
    mistake("search TINY --metric user.py:metric_nan", "is nan for an untrained network"),
]
