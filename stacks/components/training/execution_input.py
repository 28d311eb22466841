"""Validates the input of the training state machine, in JSONata.

The image's toolkit joins the flags with spaces and passes them to a shell without quotes: each
value must be one word without characters that are special in a shell.
"""

import json

from stacks.components.training.tuning_input import TUNING_PROBLEM
from stacks.settings.training import MAX_INSTANCE_COUNT

SPLITS = ("train", "valid", "test")
_MEMBERS = (
    "dataset_prefix",
    "splits",
    "hyperparameters",
    "data_version",
    "commit",
    "instances",
    "tuning",
)
EXPECTED_INPUT = (
    'Expected {"dataset_prefix": "datasets/flowers/3f2a9c01b7de", "hyperparameters": {"epochs": '
    "10}}: the folder of the datasets bucket and flags of train.py. docs/training.md describes all "
    "members"
)
# Flags of train.py that a job has its own values of, with _ for -.
RESERVED_NAMES = (
    "train",
    "valid",
    "test",
    "data",
    "model_dir",
    "output_dir",
    "checkpoint_dir",
    "weights_file",
)
MAX_NAME_LENGTH = 36  # it is a folder of the models bucket and part of the model package

# Used with a slash at the end: the prefix "flowers" would also match the folder "flowers-old".
DATASET_PREFIX = r"$replace($states.input.dataset_prefix, /^\/+|\/+$/, '')"

_NAME_PROBLEM = (
    "($contains($states.context.Execution.Name, /[^A-Za-z0-9_-]/) "
    f"or $length($states.context.Execution.Name) > {MAX_NAME_LENGTH} "
    f"? 'the name of the execution must be 1 to {MAX_NAME_LENGTH} letters, digits, - and _')"
)
_MEMBERS_PROBLEM = (
    f"( $unknown := $keys($states.input)[$not($ in {json.dumps(_MEMBERS)})]; "
    "$count($unknown) > 0 ? $join($unknown, ', ') & ' is not a member of the input' )"
)
_PREFIX_PROBLEM = (
    f"(($type($states.input.dataset_prefix) = 'string' ? {DATASET_PREFIX} = '' : true) "
    "? 'dataset_prefix must be a text that names a folder')"
)
# Without a test split, nothing could pass the gate.
_SPLITS_PROBLEM = (
    "( $splits := $states.input.splits; $exists($splits) ? "
    "(($type($splits) = 'array' ? $count($splits) = 3 and $sort($splits[$type($) = 'string']) = "
    f"{json.dumps(sorted(SPLITS))} : false) ? [] "
    ": 'splits must be a list of train, valid and test, each once') )"
)
# Searches for a forbidden character, since `$` also matches before a line break at the end.
# The toolkit turns null into an empty string, and the flag would take the next one as its value.
HYPERPARAMETER_PROBLEM = (
    "function($value, $name) { ( $text := $string($value); "
    "$not($contains($name, /^[A-Za-z]/)) or $contains($name, /[^A-Za-z0-9_-]/) "
    "? 'the hyperparameter name \"' & $name & '\" must be a letter followed by letters, "
    "digits, _ and -' "
    f": $replace($name, '-', '_') in {json.dumps(RESERVED_NAMES)} "
    "or $contains($name, /^sagemaker[_-]/) "
    "? 'the hyperparameter ' & $name & ' is set by the job itself' "
    ": $not($exists($text)) or $text = '' or $text = 'null' "
    r"or $contains($text, /[^A-Za-z0-9._:\/=+@,-]/) "
    "? 'the value of the hyperparameter ' & $name & ' must be one or more letters, digits and "
    ". _ : / = + @ , - and not null' ) }"
)
_HYPERPARAMETERS_PROBLEM = (
    "( $given := $states.input.hyperparameters; "
    "$type($given) = 'object' ? $each($given, $hyperparameter_problem) "
    ": $exists($given) ? 'hyperparameters must be an object of names and values' )"
)
_TEXTS_PROBLEM = (
    "$each($sift($states.input, function($value, $name) "
    "{ $name in ['data_version', 'commit'] and $type($value) != 'string' }), "
    "function($value, $name) { $name & ' must be a text' })"
)
_INSTANCES_PROBLEM = (
    "( $instances := $states.input.instances; $exists($instances) ? "
    "(($type($instances) = 'number' ? $instances = $floor($instances) and $instances >= 1 "
    f"and $instances <= {MAX_INSTANCE_COUNT} : false) ? [] "
    f": 'instances must be a whole number from 1 to {MAX_INSTANCE_COUNT}') )"
)
_PROBLEMS = ", ".join(
    (
        _NAME_PROBLEM,
        _PREFIX_PROBLEM,
        _SPLITS_PROBLEM,
        _HYPERPARAMETERS_PROBLEM,
        _TEXTS_PROBLEM,
        _INSTANCES_PROBLEM,
        TUNING_PROBLEM,
        _MEMBERS_PROBLEM,
    )
)

# An expression with the errors of the input; an empty string if it is valid.
INPUT_PROBLEMS = (
    "{% $type($states.input) != 'object' ? 'The input must be an object' : "
    f"( $hyperparameter_problem := {HYPERPARAMETER_PROBLEM}; $join([{_PROBLEMS}], '; ') ) %}}"
)
