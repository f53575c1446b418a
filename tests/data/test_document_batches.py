from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.data.document_batches import PADDING, DocumentBatches
from charrnn.data.document_index import locate_documents
from charrnn.data.document_packing import NO_DOCUMENT, pack_documents
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
    rows: list[list[int]] = [[] for _ in range(batches.num_streams)]
    last_B = np.full(batches.num_streams, PADDING)
    first = epoch * batches.steps_per_epoch
    for step in range(first, first + batches.steps_per_epoch):
        window_TB = batches.read_window(step)
        for stream, (code, targets_T) in enumerate(
            zip(window_TB[0].tolist(), window_TB[1:].T.tolist(), strict=True)
        ):
            if code == SEPARATOR:
                documents.append(tuple(rows[stream]))
                rows[stream] = []
            else:
                assert code in (PADDING, last_B[stream])  # the stream continues
            rows[stream].extend(targets_T)
        last_B = window_TB[-1]
        assert (window_TB[1:] != PADDING).any()
    documents += [tuple(row) for row in rows]
    return [document for document in documents if set(document) - {PADDING}]


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


def test_streams_read_several_long_documents_so_that_few_are_padded() -> None:
    lengths = [int(length) for length in np.random.default_rng(0).lognormal(5.5, 1, 400) + 1]
    batches = make_batches([(1,) * length for length in lengths], 16, 8)
    targets = [batches.count_targets(step) for step in range(batches.steps_per_epoch)]
    assert sum(targets) > 0.8 * 16 * 8 * len(targets)


def test_long_and_short_documents_are_read_at_the_same_time() -> None:
    packed = pack_documents(np.array([9, 5, 4, 4, 3, 2]), 2)
    assert packed.num_windows == 14  # streams of 9 + 4 and of 5 + 4 + 3 + 2 windows
    located = [packed.locate(window) for window in range(14)]
    assert [documents_B[0] for documents_B, _ in located] == [0] * 9 + [3] * 4 + [NO_DOCUMENT]
    assert [documents_B[1] for documents_B, _ in located] == [1] * 5 + [2] * 4 + [4] * 3 + [5] * 2
    assert [windows_B[1] for _, windows_B in located] == [*range(5), *range(4), *range(3), 0, 1]


def test_long_documents_are_shuffled_stream_by_stream() -> None:
    shuffled = pack_documents(np.array([9, 4, 3, 2]), 2).shuffle(np.array([5, 8, 7, 6]))
    assert shuffled.documents_D.tolist() == [0, 3, 2, 1]
    assert shuffled.places_D.tolist() == [0, 9, 11, 14]
    assert shuffled.windows_D.tolist() == [9, 2, 3, 4]


def test_long_documents_are_shuffled_in_each_epoch() -> None:
    documents = [(1,) * (90 + number) for number in range(40)]
    batches = make_batches(documents, 2, 8)
    first, second = (read_epoch(batches, epoch) for epoch in range(2))
    assert Counter(first) == Counter(second)
    assert first != second


def test_without_documents_there_are_no_batches() -> None:
    codes = np.zeros(5, np.uint8)
    index = locate_documents(codes, SEPARATOR)
    assert index.num_empty == 5
    with pytest.raises(CorpusError, match="has no document"):
        DocumentBatches(codes, index, SEPARATOR, 4, 8, 1)
