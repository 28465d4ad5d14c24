"""LanceDB: one HNSW graph in a table's only partition, over rows in single precision and in 8-bit scalars.

A search is a plan that is made, optimised and run each time. Most of a query is that, whatever the beam.
"""

import lancedb
import pyarrow
from lancedb.index import HnswFlat, HnswSq

from . import EF_CONSTRUCTION, M, Peer, call

TABLE = "rows"


class LanceDb(Peer):
    def __init__(self, config):
        self.config = config
        self.parameters = (
            f"{config.__name__}, num_partitions 1, m {M}, ef_construction {EF_CONSTRUCTION}, {call(2000)}"
        )

    def build(self, base, metric, dir):
        flat = pyarrow.array(base.reshape(-1))
        column = pyarrow.FixedSizeListArray.from_arrays(flat, base.shape[1])
        rows = pyarrow.table({"id": pyarrow.array(range(len(base)), pyarrow.int32()), "v": column})
        table = lancedb.connect(dir).create_table(TABLE, rows)
        config = self.config(
            distance_type=metric, num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION
        )
        table.create_index("v", config=config)

    def open(self, dim, metric, dir):
        return Open(lancedb.connect(dir).open_table(TABLE), metric)


class Open:
    def __init__(self, table, metric):
        self.table, self.metric = table, metric

    def searcher(self, k, width):
        search, metric = self.table.search, self.metric

        def find(query):
            asked = search(query, "v").distance_type(metric).ef(width).limit(k).select(["id", "_distance"])
            return asked.to_arrow()["id"].to_pylist()

        return find


PEERS = {"lancedb-f32": LanceDb(HnswFlat), "lancedb-sq": LanceDb(HnswSq)}
