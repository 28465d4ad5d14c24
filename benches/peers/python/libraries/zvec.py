"""Zvec: its HNSW graph over rows in single precision and in 8-bit scalars."""

import os

import zvec

from . import EF_CONSTRUCTION, M, Peer, call

BATCH = 1000
METRICS = {
    "cosine": zvec.MetricType.COSINE,
    "dot": zvec.MetricType.IP,
    "l2": zvec.MetricType.L2,
}


class Zvec(Peer):
    def __init__(self, quantization, words):
        self.quantization = quantization
        self.parameters = f"m {M}, ef_construction {EF_CONSTRUCTION}, {words}, {call(10)}"

    def build(self, base, metric, dir):
        start()
        rows = create(base.shape[1], metric, self.quantization, dir)
        for first in range(0, len(base), BATCH):
            insert(rows, enumerate(base[first : first + BATCH], first))
        rows.optimize()
        rows.flush()
        rows.close()

    def open(self, dim, metric, dir):
        start()
        option = zvec.CollectionOption(read_only=True)
        rows = zvec.open(os.path.join(dir, "rows"), option)
        check(rows)
        return Open(rows)


class Open:
    def __init__(self, rows):
        self.rows = rows

    def searcher(self, k, width):
        ask, Query, param = self.rows.query_internal_ids, zvec.Query, zvec.HnswQueryParam(ef=width)
        return lambda query: ask(Query("v", vector=query, param=param), topk=k)


def create(dim, metric, quantization, dir):
    graph = zvec.HnswIndexParam(
        metric_type=METRICS[metric], m=M, ef_construction=EF_CONSTRUCTION, quantize_type=quantization
    )
    vectors = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, dim, graph)
    schema = zvec.CollectionSchema("rows", vectors=vectors)
    return zvec.create_and_open(os.path.join(dir, "rows"), schema)


def insert(rows, numbered):
    done(rows.insert([zvec.Doc(str(i), vectors={"v": row}) for i, row in numbered]))


def done(statuses):
    for status in statuses if isinstance(statuses, list) else [statuses]:
        if not status.ok():
            raise RuntimeError(status.message())


def check(rows):
    """Own numbers of rows are those of the order in which they came. Names of rows are text, and would cost
    a query as much again; so it is asked for numbers, and here it is made sure what they mean."""
    count = rows.stats.doc_count
    some = list(range(0, count, max(count // 1000, 1)))
    if rows.resolve_internal_ids(some) != [str(i) for i in some]:
        raise RuntimeError("rows are not numbered as they came")
    if rows.stats.index_completeness["v"] < 1:
        raise RuntimeError("rows are missing in the graph")


def start():
    zvec.init(query_threads=1, optimize_threads=1, log_level=zvec.LogLevel.ERROR)


class Churning(Peer):
    """Rows are found by their names, as their own numbers change. Maintained, `optimize` is called; that of
    the fill is called in any case."""

    def start(self, dim, metric, dir, capacity, maintained):
        start()
        return Rows(create(dim, metric, zvec.QuantizeType.UNDEFINED, dir))


class Rows:
    def __init__(self, rows):
        self.rows, self.filled = rows, False

    def remove(self, ids):
        for first in range(0, len(ids), BATCH):
            done(self.rows.delete([str(id) for id in ids[first : first + BATCH]]))

    def add(self, ids, rows):
        insert(self.rows, zip(ids, rows))

    def commit(self):
        if not self.filled:
            self.rows.optimize()
            self.filled = True
        self.rows.flush()

    def maintain(self, alive, rows):
        self.rows.optimize()
        self.rows.flush()

    def searcher(self, k, width):
        ask, Query, param = self.rows.query, zvec.Query, zvec.HnswQueryParam(ef=width)
        return lambda query: [
            doc.id for doc in ask(Query("v", vector=query, param=param), topk=k, output_fields=[])
        ]


CHURN = {"zvec": Churning()}
PEERS = {
    "zvec-f32": Zvec(zvec.QuantizeType.UNDEFINED, "f32"),
    "zvec-int8": Zvec(zvec.QuantizeType.INT8, "INT8"),
}
