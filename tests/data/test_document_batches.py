from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.document_batches import PADDING, DocumentBatches
from charrnn.data.document_index import locate_documents
from charrnn.errors import CorpusError

SEPARATOR = 0
Document = tuple[int, ...]

documents_of_any_length = st.lists(
    st.integers(1, 40).map(lambda length: tuple(range(1, length + 1))), min_size=1, max_size=60
)


def join(documents: Sequence[Document]) -> np.ndarray:
    codes = [code for document in documents for code in (*document, SEPARATOR)][:-1]
    return np.array(codes, np.uint8)


def make_batches(
    documents: Sequence[Document], batch_size: int, seq_length: int, seed: int = 1
) -> DocumentBatches:
    codes = join(documents)
    index = locate_documents(codes, SEPARATOR)
    return DocumentBatches(codes, index, SEPARATOR, batch_size, seq_length, seed)


def read_epoch(batches: DocumentBatches, epoch: int) -> list[Document]:
    """Return the documents that the streams of an epoch read, from the initial state on."""
    documents: list[Document] = []
    rows: list[list[int]] = []
    last_B = np.array([])
    first = epoch * batches.steps_per_epoch
    for step in range(first, first + batches.steps_per_epoch):
        window_TB = batches.read_window(step)
        if batches.starts_from_initial_state(step):
            documents += [tuple(row) for row in rows]
            rows = [[] for _ in range(batches.num_streams)]
            inputs_B = window_TB[0]
            assert set(inputs_B.tolist()) <= {SEPARATOR, PADDING}
        else:
            assert np.array_equal(window_TB[0], last_B)  # the streams continue
        for row, targets_T in zip(rows, window_TB[1:].T.tolist(), strict=True):
            row.extend(targets_T)
        last_B = window_TB[-1]
        assert (window_TB[1:] != PADDING).any()
    documents += [tuple(row) for row in rows]
    return [document for document in documents if set(document) != {PADDING}]


def strip(row: Document) -> Document:
    """Return a document of an epoch without its end and its padding."""
    end = row.index(SEPARATOR)
    assert set(row[end + 1 :]) <= {PADDING}
    return row[:end]


@given(
    documents=documents_of_any_length,
    batch_size=st.integers(1, 8),
    seq_length=st.integers(1, 50),
    seed=st.integers(0, 5),
)
def test_an_epoch_reads_every_document_once_from_its_start_to_its_end(
    documents: list[Document], batch_size: int, seq_length: int, seed: int
) -> None:
    batches = make_batches(documents, batch_size, seq_length, seed)
    for epoch in range(2):
        rows = read_epoch(batches, epoch)
        assert Counter(map(strip, rows)) == Counter(documents)
    steps = range(2 * batches.steps_per_epoch)
    assert sum(map(batches.count_targets, steps)) == 2 * (sum(map(len, documents)) + len(documents))
    assert max(len(batches.read_window(step)) for step in steps) <= seq_length + 1


@given(documents=documents_of_any_length, seq_length=st.integers(1, 50))
def test_a_window_is_a_function_of_its_step_and_the_streams_of_a_process_are_a_part_of_it(
    documents: list[Document], seq_length: int
) -> None:
    batches = make_batches(documents, 6, seq_length)
    windows = [batches.read_window(step) for step in range(2 * batches.steps_per_epoch)]
    others = make_batches(documents, 6, seq_length)
    for step in reversed(range(len(windows))):
        parts = [others.read_window(step, part) for part in (slice(0, 3), slice(3, 6))]
        assert np.array_equal(np.concatenate(parts, axis=1), windows[step])


def test_the_order_differs_between_epochs_and_seeds() -> None:
    documents = [(number, *range(1, 2 + number % 7)) for number in range(1, 200)]
    batches = make_batches(documents, 8, 20)
    orders = [read_epoch(batches, epoch) for epoch in range(3)]
    orders.append(read_epoch(make_batches(documents, 8, 20, seed=2), 0))
    firsts = {tuple(document[0] for document in order) for order in orders}
    assert len(firsts) == len(orders)
    companions = [{d[0] for d in order[:8]} for order in orders]
    assert all(companions[0] != other for other in companions[1:])


def test_documents_of_similar_length_are_padded_little() -> None:
    generator = np.random.default_rng(0)
    lengths = generator.poisson(7, 4_000) + 1
    batches = make_batches([tuple(range(1, 1 + length)) for length in lengths], 128, 64)
    windows = [batches.read_window(step)[1:] for step in range(batches.steps_per_epoch)]
    padding = sum(np.count_nonzero(window == PADDING) for window in windows)
    assert padding < 0.08 * sum(window.size for window in windows)


def test_without_documents_there_are_no_batches() -> None:
    codes = np.zeros(5, np.uint8)
    index = locate_documents(codes, SEPARATOR)
    assert index.num_empty == 5
    with pytest.raises(CorpusError, match="has no document"):
        DocumentBatches(codes, index, SEPARATOR, 4, 8, 1)
