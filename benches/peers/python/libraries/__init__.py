"""One file per library, named as it is imported. Each has `PEERS`: its configurations by name.

Owns what they have in common. A new name is put into `src/peers/python.rs` too.
"""

# As in `src/peer.rs`.
BEAMS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384]
M = 16
EF_CONSTRUCTION = 200


class Peer:
    """A library in one configuration. Metrics are `cosine`, `dot` and `l2`; rows and queries of `cosine`
    have the norm 1."""

    # What it was told, in its own words, and what a call costs.
    parameters = ""
    # How widely it is asked to search, from narrow to wide.
    widths = BEAMS

    def build(self, base, metric, dir):
        """Indexes the rows under their numbers and leaves everything in `dir`."""
        raise NotImplementedError

    def open(self, dim, metric, dir):
        """Opens what `build` left, in another process. The result's `searcher(k, width)` is a function that
        takes a query and returns the numbers of the `k` nearest."""
        raise NotImplementedError

    def prepare(self, query):
        """A query, a row of float32, as the library takes it. Not part of any time."""
        return query


def call(us):
    """What a query takes that has next to nothing to do: 10 of some hundred rows of 8 numbers with the
    narrowest beam. Most of it is the way from Python to the library and back. Measured once, to give an
    idea."""
    return f"a call about {us} us"


def product(metric):
    """Whether nearest is greatest product: for norms of 1 that is the cosine's order too."""
    return metric != "l2"
