"""Long documents, which the streams of a batch read one after another.

If each stream had one document at a time, few streams would be left while the longest documents
end. With documents of similar length in a batch, the network also sees long and short documents in
separate parts of an epoch, and learns less from them (docs/benchmarks.md has the losses).

Shape suffixes: B streams, D documents in stream order.
"""

import heapq
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.data.document_index import Positions

NO_DOCUMENT = -1
"""In place of the number of a document: the stream has no document."""
MIN_WINDOWS = 8
"""Documents of fewer windows are not packed: their last window is padded by half, on average."""


@dataclass(frozen=True)
class PackedDocuments:
    """Documents and the windows in which they start, stream after stream.

    `places_D` holds, in rising order, the number of the stream times `num_windows`, plus the first
    window of the document.
    """

    num_windows: int
    num_streams: int
    documents_D: Positions
    places_D: Positions
    windows_D: Positions

    def locate(self, window: int) -> tuple[Positions, Positions]:
        """Return the document of each stream in a window, and its windows that were read before."""
        places_B = np.arange(self.num_streams) * self.num_windows + window
        last_B = np.searchsorted(self.places_D, places_B, "right") - 1
        own_B = places_B - self.places_D[last_B]
        is_read_B = (last_B >= 0) & (own_B < self.windows_D[last_B])
        documents_B = np.where(is_read_B, self.documents_D[last_B], NO_DOCUMENT)
        return documents_B, np.where(is_read_B, own_B, 0)

    def shuffle(self, keys_D: NDArray[np.integer[Any]]) -> "PackedDocuments":
        """Return the documents of each stream in the order of their keys."""
        streams_D = self.places_D // self.num_windows
        order_D = np.lexsort((keys_D[self.documents_D], streams_D))
        windows_D = self.windows_D[order_D]
        before_D = np.cumsum(windows_D) - windows_D  # of the documents before
        first_D = np.searchsorted(streams_D, streams_D)  # the first document of the same stream
        return replace(
            self,
            documents_D=self.documents_D[order_D],
            places_D=streams_D * self.num_windows + before_D - before_D[first_D],
            windows_D=windows_D,
        )


def pack_documents(windows_D: Positions, num_streams: int) -> PackedDocuments:
    """Distribute documents, whose numbers of windows fall, among streams.

    Each document goes to the stream that has the fewest windows (longest processing time first;
    Graham, 1969), so that all streams end at about the same time.
    """
    loads = [(0, stream) for stream in range(num_streams)]
    streams, starts = [], []
    for count in windows_D.tolist():
        load, stream = loads[0]
        streams.append(stream)
        starts.append(load)
        heapq.heapreplace(loads, (load + count, stream))
    num_windows = max(load for load, _ in loads)
    places_D = np.array(streams, np.int64) * num_windows + np.array(starts, np.int64)
    order_D = np.argsort(places_D)
    return PackedDocuments(
        num_windows, num_streams, order_D, places_D[order_D], np.asarray(windows_D)[order_D]
    )
