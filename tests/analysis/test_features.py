"""Tests of readable features, on short texts that are marked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.analysis.features import FEATURES, compute_features, is_code

COMPUTE = {feature.name: feature.compute for feature in FEATURES}


@pytest.mark.parametrize(
    ("name", "text", "marks"),
    [
        ("quote", 'a "b c" d', "001111000"),
        ("quote", "“a” b", "11000"),
        ("quote", 'a "b\n\nc', "0011100"[:5] + "00"),
        ("bracket", "a (b[c]) d", "0011111000"),
        ("bracket depth", "a (b[c]) d", "0011221000"),
        ("bracket depth", ")(]a)", "01110"),
        ("line position", "ab\ncd", "12012"),
        ("words in line", "a bc\nd e", "11220112"),
        ("word position", "ab, c", "12001"),
        ("speaker name", "KING A:\nNo: b\n", "11111110000000"),
        ("speaker name", "First Lord:\nNo: I\n", "1" * 11 + "0" * 7),
        ("after speaker", "A:\nbc\nd", "0111100"),
        ("capital", "aB C", "0101"),
        ("digit", "a1 2", "0101"),
        ("sentence end", "So. No", "001100"),
        ("sentence end", "3.5 is", "000000"),
        ("indentation", "a\n  b\nc", "0012200"),
        ("comment", "a # b\nc", "0011100"),
        ("string", "a = 'b' # 'c'", "0000110000000"),
        ("string", '"""a\n"b"""', "111111" + "1110"),
    ],
)
def test_feature_values_match_hand_marked_texts(name: str, text: str, marks: str) -> None:
    assert COMPUTE[name](text).tolist() == [float(mark) for mark in marks]


def test_constant_features_are_left_out() -> None:
    features = compute_features("ab cd\n" * 50)
    assert {"line position", "words in line", "word position"} == set(features)


def test_strings_and_comments_are_features_of_source_code_only() -> None:
    program = "def f(x):\n    # what it does\n    return g('a', x)[0]\n" * 20
    prose = "'Tis not so, quoth he.\nNor will it be # ever.\n" * 20
    assert is_code(program)
    assert not is_code(prose)
    assert {"comment", "string", "indentation"} <= set(compute_features(program))
    assert not {"comment", "string"} & set(compute_features(prose))


@given(st.text(alphabet="aB1 \n\t\"'“”()[]#:.=", max_size=60))
def test_features_have_one_finite_number_per_character(text: str) -> None:
    for feature in FEATURES:
        values = feature.compute(text)
        assert values.shape == (len(text),), feature.name
        assert values.dtype == np.float32, feature.name
        assert np.isfinite(values).all(), feature.name
        assert (values >= 0).all(), feature.name
