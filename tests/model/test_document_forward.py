import numpy as np
import pytest
import torch

from charrnn.errors import CorpusError
from charrnn.model.document_forward import forward_documents
from charrnn.model.forward import check_length
from tests.model.small_model import VOCABULARY, small_model

LENGTHS = [3, 700, 1, 40, 21, 45, 2, 3, 3, 90]


@pytest.mark.parametrize("chunk_size", [1, 50, 4096])
def test_each_document_is_read_from_the_initial_state(chunk_size: int) -> None:
    model = small_model()
    model.separator_code = 0
    text = "\n".join(("abcdef" * 200)[:length] for length in LENGTHS)
    codes = VOCABULARY.encode(text)
    logits_NV = np.full((len(codes) + 1, len(VOCABULARY)), np.nan)
    num_computed = 0
    for chunk in forward_documents(model, codes, chunk_size):
        positions = chunk.positions_TB[chunk.is_target_TB]
        assert np.isnan(logits_NV[positions]).all()
        logits_NV[positions] = chunk.logits_TBV.numpy()[chunk.is_target_TB]
        targets = np.append(codes, 0)[positions]
        assert np.array_equal(targets, chunk.targets_TB[chunk.is_target_TB])
        num_computed += chunk.is_target_TB.size
        assert len(chunk.positions_TB) == 1 or chunk.positions_TB.size <= chunk_size
    start = 0
    for length in LENGTHS:
        document = codes[start : start + length].astype(np.int64)
        x_T1 = torch.from_numpy(np.concatenate([[0], document]))[:, None]
        expected_T1V, _ = model(x_T1, model.initial_state(1))
        actual_TV = logits_NV[start : start + length + 1]
        np.testing.assert_allclose(actual_TV, expected_T1V[:, 0].detach(), atol=1e-5)
        start += length + 1
    assert num_computed <= 2 * len(logits_NV)  # a long document does not wait for short ones


def test_a_document_of_one_character_is_long_enough() -> None:
    check_length(np.array([1]), separator_code=0)
    with pytest.raises(CorpusError, match="at least 1 is needed"):
        check_length(np.array([], np.int64), separator_code=0)
    for separators in (1, 2):
        with pytest.raises(CorpusError, match="contains only separators of documents"):
            check_length(np.zeros(separators, np.int64), separator_code=0)
