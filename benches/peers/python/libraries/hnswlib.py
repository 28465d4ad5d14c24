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


PEERS = {"hnswlib": Hnswlib()}
