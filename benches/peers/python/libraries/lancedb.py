"""LanceDB: one HNSW graph in a table's only partition, over rows in single precision and in 8-bit scalars.

A search is a plan that is made, optimised and run each time. Most of a query is that, whatever the beam.
"""

import datetime

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
        rows = arrow(range(len(base)), base)
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


def arrow(ids, rows):
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), rows.shape[1])
    return pyarrow.table({"id": pyarrow.array(ids, pyarrow.int32()), "v": column})


class Churning(Peer):
    """The graph is made of the first rows; those that come later are scanned. Maintained, `optimize` is
    called, which compacts, adds new rows to the index, and removes older versions."""

    def start(self, dim, metric, dir, capacity, maintained):
        return Rows(metric, dir)


class Rows:
    def __init__(self, metric, dir):
        self.database, self.metric, self.table, self.indexed = lancedb.connect(dir), metric, None, False

    def remove(self, ids):
        self.table.delete(f"id IN ({','.join(map(str, ids))})")

    def add(self, ids, rows):
        if self.table is None:
            self.table = self.database.create_table(TABLE, arrow(ids, rows))
        else:
            self.table.add(arrow(ids, rows))

    def commit(self):
        if not self.indexed:
            config = HnswFlat(
                distance_type=self.metric, num_partitions=1, m=M, ef_construction=EF_CONSTRUCTION
            )
            self.table.create_index("v", config=config)
            self.indexed = True

    def maintain(self, alive, rows):
        self.table.optimize(cleanup_older_than=datetime.timedelta(0))

    def searcher(self, k, width):
        return Open(self.table, self.metric).searcher(k, width)


CHURN = {"lancedb": Churning()}
PEERS = {"lancedb-f32": LanceDb(HnswFlat), "lancedb-sq": LanceDb(HnswSq)}
