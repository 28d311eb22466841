"""Validates the input of the training state machine, in JSONata.

The image's toolkit joins the flags with spaces and passes them to a shell without quotes: each
value must be one word without characters that are special in a shell.
"""

import json

SPLITS = ("train", "valid", "test")
EXPECTED_INPUT = (
    'Expected {"dataset_prefix": "flowers", "splits": ["train", "valid", "test"], '
    '"hyperparameters": {"epochs": 10}}: the folder of the datasets bucket, the folders in it to '
    "train on, and flags of train.py. The last two may be left out"
)

# Used with a slash at the end: the prefix "flowers" would also match the folder "flowers-old".
DATASET_PREFIX = r"$replace($states.input.dataset_prefix, /^\/+|\/+$/, '')"

_ALL_SPLITS = json.dumps(SPLITS)
# `test` is optional: train.py does not need it, and SageMaker rejects a channel without objects.
GIVEN_SPLITS = f"($exists($states.input.splits) ? $states.input.splits : {_ALL_SPLITS})"

_PREFIX_PROBLEM = (
    f"($type($states.input.dataset_prefix) = 'string' ? {DATASET_PREFIX} = '' : true) "
    "? 'dataset_prefix must be a text that names a folder'"
)
_SPLITS_PROBLEM = (
    f"( $splits := {GIVEN_SPLITS}; ($type($splits) = 'array' "
    "? $not('train' in $splits and 'valid' in $splits "
    f"and $count($splits[$ in {_ALL_SPLITS}]) = $count($splits) "
    "and $count($distinct($splits)) = $count($splits)) : true) "
    "? 'splits must be a list of train, valid and, where the dataset has it, test, each once' )"
)
# Searches for a forbidden character, since `$` also matches before a line break at the end.
# The toolkit turns null into an empty string, and the flag would take the next one as its value.
_HYPERPARAMETER_PROBLEM = (
    "function($value, $name) { ( $text := $string($value); "
    "$not($contains($name, /^[A-Za-z]/)) or $contains($name, /[^A-Za-z0-9_-]/) "
    "? 'the hyperparameter name \"' & $name & '\" must be a letter followed by letters, "
    "digits, _ and -' "
    ": $not($exists($text)) or $text = '' or $text = 'null' "
    r"or $contains($text, /[^A-Za-z0-9._:\/=+@,-]/) "
    "? 'the value of the hyperparameter ' & $name & ' must be one or more letters, digits and "
    ". _ : / = + @ , - and not null' ) }"
)
_HYPERPARAMETERS_PROBLEM = (
    "( $given := $states.input.hyperparameters; "
    f"$type($given) = 'object' ? $each($given, {_HYPERPARAMETER_PROBLEM}) "
    ": $exists($given) ? 'hyperparameters must be an object of names and values' )"
)

# An expression with the errors of the input; an empty string if it is valid.
INPUT_PROBLEMS = (
    "{% $type($states.input) != 'object' ? 'The input must be an object' : "
    f"$join([{_PREFIX_PROBLEM}, {_SPLITS_PROBLEM}, {_HYPERPARAMETERS_PROBLEM}], '; ') %}}"
)
