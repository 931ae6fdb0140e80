"""Options that several commands share."""

import pytest

from edge_sr.cli.options import one_model
from edge_sr.errors import UserError
from edge_sr.zoo.catalog import DEFAULT_MODEL


def test_a_model_is_an_argument_or_an_option() -> None:
    assert one_model("tinypssr", None) == one_model(None, "tinypssr") == "tinypssr"
    assert one_model(None, None) == DEFAULT_MODEL


def test_a_model_that_is_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match="name the model once: as 'a' or as --model 'b'"):
        one_model("a", "b")
