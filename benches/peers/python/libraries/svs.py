"""Scalable Vector Search: a Vamana graph over rows in single precision, and over LVQ codes of 4 bits with 8
more for the last ranking.

LVQ runs on processors of Intel alone. On others the library says so and ends the process.
"""

import os
import shutil

import svs

from . import Peer, call, product

PARTS = ("config", "graph", "data")
DEGREE, WINDOW = 32, 200


class Svs(Peer):
    def __init__(self, coded):
        self.coded = coded
        self.parameters = (
            f"{'LVQ4x8' if coded else 'f32'}, graph_max_degree {DEGREE}, window_size {WINDOW}, "
            f"alpha 0.95 (l2: 1.2), {call(8)}"
        )

    def build(self, base, metric, dir):
        parameters = svs.VamanaBuildParameters(
            graph_max_degree=DEGREE, window_size=WINDOW, alpha=0.95 if product(metric) else 1.2
        )
        raw = os.path.join(dir, "raw")
        rows = self.encode(base, raw) if self.coded else base
        index = svs.Vamana.build(parameters, rows, distance(metric), num_threads=1)
        shutil.rmtree(raw, ignore_errors=True)
        index.save(*(os.path.join(dir, part) for part in PARTS))

    @staticmethod
    def encode(base, raw):
        """Codes are made from a file only."""
        os.mkdir(raw)
        file = os.path.join(raw, "base.fvecs")
        svs.write_vecs(base, file)
        rows = svs.VectorDataLoader(file, svs.DataType.float32)
        return svs.LVQLoader(rows, primary=4, residual=8)

    def open(self, dim, metric, dir):
        config, graph, data = (os.path.join(dir, part) for part in PARTS)
        if self.coded:
            rows = svs.LVQLoader(data)
        else:
            rows = svs.VectorDataLoader(data, svs.DataType.float32, dims=dim)
        graph = svs.GraphLoader(graph)
        return Open(svs.Vamana(config, graph, rows, distance(metric), num_threads=1))


class Open:
    def __init__(self, index):
        self.index = index

    def searcher(self, k, width):
        self.index.search_window_size = width
        search = self.index.search
        return lambda query: search(query, k)[0][0]


def distance(metric):
    return svs.DistanceType.MIP if product(metric) else svs.DistanceType.L2


PEERS = {"svs-f32": Svs(coded=False), "svs-lvq4x8": Svs(coded=True)}
