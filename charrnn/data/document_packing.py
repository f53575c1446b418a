"""Groups of long documents whose streams each read several documents, one after another.

A group that has one document per stream lasts as long as its longest document. If the lengths
differ much, few streams are left in most of its steps, and the network then learns from few
documents at once. A packed group lasts as long, but its other streams read further documents.

Shape suffixes: B streams, D documents, P documents of a group.
"""

import bisect
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
class PackedGroup:
    """Documents and the windows in which they start, stream after stream.

    `places_P` holds, in rising order, the number of the stream times `num_windows`, plus the first
    window of the document.
    """

    num_windows: int
    num_streams: int
    documents_P: Positions
    places_P: Positions
    windows_P: Positions

    def locate(self, window: int) -> tuple[Positions, Positions]:
        """Return the document of each stream in a window, and its windows that were read before."""
        places_B = np.arange(self.num_streams) * self.num_windows + window
        last_B = np.searchsorted(self.places_P, places_B, "right") - 1
        own_B = places_B - self.places_P[last_B]
        is_read_B = (last_B >= 0) & (own_B < self.windows_P[last_B])
        documents_B = np.where(is_read_B, self.documents_P[last_B], NO_DOCUMENT)
        return documents_B, np.where(is_read_B, own_B, 0)

    def shuffle(self, keys_D: NDArray[np.integer[Any]]) -> "PackedGroup":
        """Return the group with the documents of each stream in the order of their keys."""
        streams_P = self.places_P // self.num_windows
        order_P = np.lexsort((keys_D[self.documents_P], streams_P))
        windows_P = self.windows_P[order_P]
        before_P = np.cumsum(windows_P) - windows_P  # of the documents before
        first_P = np.searchsorted(streams_P, streams_P)  # the first document of the same stream
        return replace(
            self,
            documents_P=self.documents_P[order_P],
            places_P=streams_P * self.num_windows + before_P - before_P[first_P],
            windows_P=windows_P,
        )


def pack_documents(windows_D: Positions, num_streams: int) -> list[PackedGroup]:
    """Distribute documents, whose numbers of windows fall, among groups.

    The longest document that is left gives the number of windows of the next group. Each stream
    then takes the longest documents that still fit into its windows (first fit decreasing).
    """
    documents_by_count: dict[int, list[int]] = {}
    for document in reversed(range(len(windows_D))):
        documents_by_count.setdefault(int(windows_D[document]), []).append(document)
    counts = list(documents_by_count)  # rising
    groups = []
    while counts:
        num_windows = counts[-1]
        taken: list[tuple[int, int, int]] = []  # place, document, its windows
        for stream in range(num_streams):
            used = 0
            while index := bisect.bisect_right(counts, num_windows - used):
                count = counts[index - 1]
                taken.append((stream * num_windows + used, documents_by_count[count].pop(), count))
                used += count
                if not documents_by_count[count]:
                    del counts[index - 1]
        places_P, documents_P, windows_P = np.array(taken, np.int64).T
        groups.append(PackedGroup(num_windows, num_streams, documents_P, places_P, windows_P))
    return groups
