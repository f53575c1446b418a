"""The forward pass of a model over the documents of a text, each from the initial state.

Shape suffixes: T steps, B streams, N characters of the text, V characters of the vocabulary.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from charrnn.data.document_batches import PADDING, read_documents
from charrnn.data.document_index import locate_documents
from charrnn.data.vocabulary import Codes
from charrnn.model.forward import Forward, forward_chunks
from charrnn.model.network import CharRNN
from charrnn.model.state import State

_MIN_STREAMS = 64  # fewer are slower on a CPU


class DocumentChunk(NamedTuple):
    """A chunk of documents that are read as parallel streams.

    `positions_TB` are the positions in the text of the predicted characters `targets_TB`; the end
    of the last document can be after the text. `is_target_TB` is false after the end of a document.
    """

    positions_TB: NDArray[np.int64]
    targets_TB: NDArray[np.int64]
    is_target_TB: NDArray[np.bool_]
    logits_TBV: Tensor
    state: State


@torch.inference_mode()
def forward_documents(
    model: CharRNN, codes_N: Codes, chunk_size: int, forward: Forward | None = None
) -> Iterator[DocumentChunk]:
    """Yield chunks of documents of similar length, about `chunk_size` characters in each.

    The model reads the separator before each document, and predicts its characters and the
    separator at its end. The documents of a group are at least half as long as the longest one.
    With `forward`, the chunks hold its values in place of logits.
    """
    assert model.separator_code is not None
    index = locate_documents(codes_N, model.separator_code)
    by_length_D = np.argsort(-index.num_targets, kind="stable")
    targets_D = index.num_targets[by_length_D]
    first = 0
    while first < len(by_length_D):
        longest = int(targets_D[first])
        end = first + max(_MIN_STREAMS, chunk_size // longest)
        end = min(end, int(np.searchsorted(-targets_D, -(longest // 2), "right")))
        documents_B, first = by_length_D[first:end], end
        state = model.initial_state(len(documents_B))
        steps = max(1, chunk_size // len(documents_B))
        for start in range(0, longest, steps):
            rows = range(start, min(start + steps, longest) + 1)
            rows_T1 = np.asarray(rows)[:, None]
            window_TB = read_documents(codes_N, index, model.separator_code, documents_B, rows_T1)
            x_TB, targets_TB = window_TB[:-1].clip(0), window_TB[1:]
            (chunk,) = forward_chunks(model, x_TB, len(x_TB), state, forward)
            state = chunk.state
            positions_TB = index.starts_D[documents_B] + rows_T1[:-1]
            is_target_TB = targets_TB != PADDING
            yield DocumentChunk(positions_TB, targets_TB, is_target_TB, chunk.logits_TBV, state)
