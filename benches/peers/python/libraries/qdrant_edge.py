"""Qdrant Edge: Qdrant's segments in the process of the caller, rows in single precision, alone or beside
8-bit codes that lead through the graph."""

import os

import qdrant_edge as qdrant

from . import EF_CONSTRUCTION, M, Peer, call

BATCH = 1000
# Of codes: candidates for each row wanted, measured again in single precision.
OVERSAMPLING = 2.0
DISTANCES = {
    "cosine": qdrant.Distance.Cosine,
    "dot": qdrant.Distance.Dot,
    "l2": qdrant.Distance.Euclid,
}


class QdrantEdge(Peer):
    def __init__(self, quantization, words):
        self.quantization = quantization
        self.parameters = f"m {M}, ef_construct {EF_CONSTRUCTION}, {words}, one segment, {call(16)}"

    def build(self, base, metric, dir):
        shard = create(base.shape[1], metric, self.quantization, dir)
        for first in range(0, len(base), BATCH):
            upsert(shard, range(first, len(base)), base[first : first + BATCH])
        while shard.optimize():
            pass
        shard.flush()
        shard.close()

    def open(self, dim, metric, dir):
        shard = qdrant.EdgeShard.load(os.path.join(dir, "shard"))
        info = shard.info()
        if info.indexed_vectors_count < info.points_count:
            raise RuntimeError(f"{info.indexed_vectors_count} of {info.points_count} are indexed")
        return Open(shard)

    def prepare(self, query):
        return qdrant.Query.Nearest(query.tolist())


def create(dim, metric, quantization, dir):
    vectors = qdrant.EdgeVectorParams(dim, DISTANCES[metric])
    graph = qdrant.HnswIndexConfig(
        m=M, ef_construct=EF_CONSTRUCTION, full_scan_threshold=1, max_indexing_threads=1
    )
    # One segment however large, and a graph for it however small.
    optimizers = qdrant.EdgeOptimizersConfig(
        default_segment_number=1, max_segment_size=1 << 40, indexing_threshold=1
    )
    config = qdrant.EdgeConfig(
        vectors=vectors,
        hnsw_config=graph,
        quantization_config=quantization,
        optimizers=optimizers,
        max_search_threads=1,
        wal_enabled=False,
    )
    return qdrant.EdgeShard.create(os.path.join(dir, "shard"), config)


def upsert(shard, ids, rows):
    points = [qdrant.Point(id, row) for id, row in zip(ids, rows.tolist())]
    shard.update(qdrant.UpdateOperation.upsert_points(points))


class Open:
    def __init__(self, shard):
        self.shard = shard

    def searcher(self, k, width):
        search, request = self.shard.search, qdrant.SearchRequest
        # Without codes it has no effect.
        again = qdrant.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
        params = qdrant.SearchParams(hnsw_ef=width, quantization=again)
        return lambda query: [
            point.id for point in search(request(query, k, params=params, with_payload=False))
        ]


class Churning(Peer):
    """Maintained, `optimize` is called until nothing is left to do; the fill is optimised in any case, or
    there would be no graph at all."""

    def start(self, dim, metric, dir, capacity, maintained):
        return Rows(create(dim, metric, None, dir))

    def prepare(self, query):
        return qdrant.Query.Nearest(query.tolist())


class Rows:
    def __init__(self, shard):
        self.shard, self.filled = shard, False

    def remove(self, ids):
        for first in range(0, len(ids), BATCH):
            self.shard.update(qdrant.UpdateOperation.delete_points(ids[first : first + BATCH]))

    def add(self, ids, rows):
        upsert(self.shard, ids, rows)

    def commit(self):
        if not self.filled:
            self.maintain([], None)
            self.filled = True
        self.shard.flush()

    def maintain(self, alive, rows):
        while self.shard.optimize():
            pass
        self.shard.flush()

    def searcher(self, k, width):
        return Open(self.shard).searcher(k, width)


CHURN = {"qdrant": Churning()}
PEERS = {
    "qdrant-f32": QdrantEdge(None, "f32"),
    "qdrant-int8": QdrantEdge(
        qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8, memory=qdrant.Memory.Pinned),
        f"Int8, rescored, oversampling {OVERSAMPLING}",
    ),
}
