"""Faiss: its HNSW graph over rows in single precision, in 8-bit scalars, and in RaBitQ codes of 4 bits
whose best candidates are measured again in single precision."""

import os

import faiss

from . import EF_CONSTRUCTION, M, Peer, call, product

# Of a refined index: candidates for each row wanted.
CANDIDATES = 4


class Faiss(Peer):
    def __init__(self, codes, refined=False):
        self.refined = refined
        self.factory = f"HNSW{M},{codes}" + (",RFlat" if refined else "")
        self.parameters = f"{self.factory}, efConstruction {EF_CONSTRUCTION}"
        if refined:
            self.parameters += f", k_factor {CANDIDATES}"
        self.parameters += f", {call(11)}"

    def build(self, base, metric, dir):
        faiss.omp_set_num_threads(1)
        kind = faiss.METRIC_INNER_PRODUCT if product(metric) else faiss.METRIC_L2
        if self.refined:
            # RaBitQ has no other. Norms of 1 make the order that of the cosine.
            kind = faiss.METRIC_L2
            if metric == "dot":
                raise SystemExit("dot is not supported")
        index = faiss.index_factory(base.shape[1], self.factory, kind)
        graph_of(index).hnsw.efConstruction = EF_CONSTRUCTION
        index.train(base)
        index.add(base)
        faiss.write_index(index, os.path.join(dir, "index.faiss"))

    def open(self, dim, metric, dir):
        faiss.omp_set_num_threads(1)
        return Open(faiss.read_index(os.path.join(dir, "index.faiss")))

    def prepare(self, query):
        return query.reshape(1, -1)


class Open:
    def __init__(self, index):
        self.index = index

    def searcher(self, k, width):
        graph_of(self.index).hnsw.efSearch = width
        if isinstance(self.index, faiss.IndexRefine):
            self.index.k_factor = CANDIDATES
        search = self.index.search
        return lambda query: search(query, k)[1][0]


def graph_of(index):
    if isinstance(index, faiss.IndexRefine):
        return faiss.downcast_index(index.base_index)
    return index


PEERS = {
    "faiss-f32": Faiss("Flat"),
    "faiss-sq8": Faiss("SQ8"),
    "faiss-rabitq": Faiss("RaBitQ4", refined=True),
}
