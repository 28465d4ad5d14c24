"""hnswlib: the reference of HNSW graphs, rows in single precision."""

import os

import hnswlib

from . import EF_CONSTRUCTION, M, Peer, call, product


class Hnswlib(Peer):
    parameters = f"M {M}, ef_construction {EF_CONSTRUCTION}, {call(4)}"

    def build(self, base, metric, dir):
        index = self.index(base.shape[1], metric)
        index.init_index(len(base), M=M, ef_construction=EF_CONSTRUCTION)
        index.add_items(base, num_threads=1)
        index.save_index(os.path.join(dir, "graph.hnswlib"))

    def open(self, dim, metric, dir):
        index = self.index(dim, metric)
        index.load_index(os.path.join(dir, "graph.hnswlib"))
        index.set_num_threads(1)
        return Open(index)

    @staticmethod
    def index(dim, metric):
        return hnswlib.Index("ip" if product(metric) else "l2", dim)


class Open:
    def __init__(self, index):
        self.index = index

    def searcher(self, k, width):
        self.index.set_ef(width)
        query_one = self.index.knn_query
        return lambda query: query_one(query, k)[0][0]


class Churning(Peer):
    """Deleted rows are marked, and new ones take their places. Maintained, a graph is built anew."""

    def start(self, dim, metric, dir, capacity, maintained):
        return Rows(dim, metric, dir, capacity, maintained)


class Rows:
    def __init__(self, dim, metric, dir, capacity, maintained):
        self.new, self.file = (lambda: graph(dim, metric, capacity)), os.path.join(dir, "graph.hnswlib")
        self.index, self.maintained = self.new(), maintained

    def remove(self, ids):
        if not self.maintained:
            for id in ids:
                self.index.mark_deleted(id)

    def add(self, ids, rows):
        if not self.maintained:
            self.index.add_items(rows, ids, num_threads=1, replace_deleted=True)

    def commit(self):
        if not self.maintained:
            self.index.save_index(self.file)

    def maintain(self, alive, rows):
        self.index = None
        self.index = self.new()
        self.index.add_items(rows(alive), alive, num_threads=1)
        self.index.save_index(self.file)

    def searcher(self, k, width):
        return Open(self.index).searcher(k, width)


def graph(dim, metric, capacity):
    index = Hnswlib.index(dim, metric)
    index.init_index(capacity, M=M, ef_construction=EF_CONSTRUCTION, allow_replace_deleted=True)
    index.set_num_threads(1)
    return index


CHURN = {"hnswlib": Churning()}
PEERS = {"hnswlib": Hnswlib()}
