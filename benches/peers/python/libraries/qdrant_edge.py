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
        vectors = qdrant.EdgeVectorParams(base.shape[1], DISTANCES[metric])
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
            quantization_config=self.quantization,
            optimizers=optimizers,
            max_search_threads=1,
            wal_enabled=False,
        )
        shard = qdrant.EdgeShard.create(os.path.join(dir, "shard"), config)
        for first in range(0, len(base), BATCH):
            rows = base[first : first + BATCH].tolist()
            points = [qdrant.Point(first + i, row) for i, row in enumerate(rows)]
            shard.update(qdrant.UpdateOperation.upsert_points(points))
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


PEERS = {
    "qdrant-f32": QdrantEdge(None, "f32"),
    "qdrant-int8": QdrantEdge(
        qdrant.ScalarQuantizationConfig(qdrant.ScalarType.Int8, memory=qdrant.Memory.Pinned),
        f"Int8, rescored, oversampling {OVERSAMPLING}",
    ),
}
