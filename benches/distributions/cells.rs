//! Owns the matrix of the benchmark `distributions` and its parser. A cell is a family, a metric, a
//! dimension, a number of rows, the place of the rows, and the source of the queries. A line of the
//! matrix stands for every combination of its lists.

use altiplano::Metric;

use bench_tools::families::Family;

/// Family, metrics, dimensions, rows, then any of these words:
///
/// - `memtable`: not sealed.
/// - `grown`: sealed and compacted after each fifth except the last, which stays in RAM.
/// - `graph`: a graph from 1,000 rows on, not from 30,000.
/// - `stored`: the queries are rows.
/// - `far`: the queries are far from all rows.
/// - `quick`: also with `--quick`, with at most 2,000 rows.
///
/// Places under cosine are left out: seen from the origin of their coordinates, they lie in one
/// direction.
const MATRIX: &str = "
normal              l2,dot,cosine 64            100         quick
normal              l2            2,32          1000
normal              l2,dot,cosine 8,128         5000
normal              cosine        384           4000        memtable quick
normal              cosine        768,1536      5000
normal              dot,cosine    2,3           5000
normal              l2,dot,cosine 64            20000       graph
normal              l2            64            5000        far
normal              cosine        384           100000
uniform             l2            1,2,3,8       2000        quick
uniform             l2,dot,cosine 100           5000
uniform             l2,cosine     32            20000       graph
uniform             l2            1536          5000
uniform             l2            128           2000        stored
tiny,huge           l2,dot,cosine 100           2000
clustered           l2,dot,cosine 128           5000
clustered           l2,dot,cosine 32            20000       graph
clustered           cosine        384           20000       graph
clustered           cosine        384           5000        far
clustered           l2            100           2000        graph quick
clustered           l2            128           100000
low-rank            l2,dot,cosine 384           5000
low-rank            l2,cosine     1536          5000
low-rank            cosine        768           20000       graph
low-rank            cosine        384           20000       graph grown
low-rank            cosine        384           5000        far
low-rank            cosine        384           100000
low-rank            cosine        384           2000        graph quick
near-duplicates     l2,dot,cosine 384           5000        quick
near-duplicates     l2,cosine     64            5000        stored
near-duplicates     cosine        384           20000       graph
near-duplicates     l2            64            4000        memtable
near-duplicates     l2,cosine     128           100000
duplicates          l2,cosine     32            2000
duplicates          l2            128           10000       graph
offset-1            l2,dot,cosine 100           2000
offset-10,offset-100 l2,dot,cosine 384          5000
offset-1000         l2,dot,cosine 384           5000
offset-10           l2            8             1000        stored quick
offset-1000         l2            64            1000        stored quick
offset-1000         l2            384           4000        memtable
offset-100          l2            64            20000       graph
offset-100          dot           64            20000       graph
uneven              l2,dot,cosine 32,384        5000
uneven              l2            128           20000       graph
outliers            l2,dot,cosine 768           5000
outliers            cosine        384           20000       graph
outliers            cosine        384           2000        quick
constants           l2,dot,cosine 128           5000
cone-0,cone-30,cone-60,cone-95 cosine 384       5000
cone-90,cone-98     l2,dot,cosine 384           5000
cone-98             cosine        128           2000        stored quick
cone-90             cosine        768           20000       graph
cone-98             dot           64            20000       graph
lengths             l2,dot,cosine 384           5000
lengths             dot           128           2000        quick
lengths,lengths-2   dot           64            20000       graph
lengths             dot           384           50000
lengths-2           l2,dot        128           5000
heavy-tails         l2,dot,cosine 64            5000
heavy-tails         l2,dot        32            10000       graph
heavy-tails         l2            64            2000        quick
two-scales          l2,dot,cosine 64            5000
two-scales          l2            32            20000       graph
drifting            l2,dot,cosine 64            5000
drifting            l2,cosine     384           20000       graph
drifting            l2,dot,cosine 64            5000        grown
drifting            l2            64            20000       graph grown
drifting            l2            64            2000        graph grown quick
jump                l2,dot,cosine 64            5000        grown
jump                l2            384           5000
jump                l2            64            20000       graph grown
jump                l2            64            2000        grown quick
sparse              l2,dot,cosine 768           5000
sparse              cosine        384           20000       graph
sparse              cosine        1536          2000        quick
relu                l2,dot,cosine 128           5000
binary              l2,dot,cosine 128           5000
binary              cosine        128           10000       graph
binary              l2            32            2000        quick
binary-rare         dot,cosine    768           5000
counts              l2,dot,cosine 100           5000
counts              l2,cosine     100           10000       graph
counts              l2            100           2000        quick
histogram           l2,dot,cosine 100           5000
one-hot             l2,dot,cosine 64            5000
one-hot             l2            64            10000       graph
one-hot             l2            64            2000        quick
one-hot-pure        l2,cosine     64            1000
pixels              l2,cosine     768           5000
pixels              l2            768           20000       graph
curve               l2,dot,cosine 32            5000
curve               l2            3             20000       graph
city                l2            2             1000        quick
city                l2            2             1000        stored
city                l2            2             4000        memtable
city                l2            2             5000        far
city                l2            2             20000       graph
city                l2            2             100000
metres              l2            2,3           2000        quick
metres              l2            3             20000       graph
metres              l2            3             1000        stored
city,metres         dot           2             2000
metres              l2            2             5000        grown
room                l2,dot,cosine 3             5000
globe               l2,dot,cosine 3             5000
grid                l2            2,3           5000
grid                l2            2             20000       graph
colors              l2,cosine     3             5000
unix-time           l2            8,32          5000
unix-time           l2            8             1000        quick
unix-time           dot,cosine    8             2000
unix-time           l2            8             10000       graph
unix-time           l2            8             4000        memtable
";

/// Most rows of a cell with `--quick`.
const QUICK_ROWS: usize = 2_000;

/// The source of the queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queries {
    /// The same family, but not among the rows.
    HeldOut,
    /// Rows.
    Stored,
    /// Far from all rows.
    Far,
}

/// The place of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In segments, all of them in one index.
    Sealed,
    /// In RAM.
    Memtable,
    /// Sealed and indexed in several steps, the last of them in RAM.
    Grown,
}

/// One cell of the matrix.
#[derive(Clone)]
pub(crate) struct Cell {
    /// The name of the family, or of the file.
    pub(crate) name: String,
    pub(crate) metric: Metric,
    pub(crate) dim: usize,
    pub(crate) rows: usize,
    pub(crate) state: State,
    pub(crate) graph: bool,
    pub(crate) queries: Queries,
    quick: bool,
}

/// Returns the metric's name in options and in the table.
pub(crate) fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Cosine => "cosine",
        Metric::Dot => "dot",
        _ => "l2",
    }
}

impl Cell {
    /// Returns a sealed cell of vectors from a file.
    pub(crate) fn of_file(name: &str, metric: Metric, dim: usize, rows: usize) -> Self {
        let (name, state, queries) = (name.to_owned(), State::Sealed, Queries::HeldOut);
        Self { name, metric, dim, rows, state, graph: false, queries, quick: true }
    }

    /// Returns a label that distinguishes the cell from the others.
    pub(crate) fn label(&self) -> String {
        let Self { name, dim, rows, .. } = self;
        let mut label = format!("{name} {} {dim} {rows}", metric_name(self.metric));
        label += match self.state {
            State::Sealed => "",
            State::Memtable => " memtable",
            State::Grown => " grown",
        };
        if self.graph {
            label += " graph";
        }
        label + self.queries_name()
    }

    fn queries_name(&self) -> &'static str {
        match self.queries {
            Queries::HeldOut => "",
            Queries::Stored => " stored",
            Queries::Far => " far",
        }
    }

    /// Returns the seed of its vectors: a hash of the label, by Fowler, Noll and Vo.
    pub(crate) fn seed(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        self.label().bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

/// Returns every cell, or those of `--quick`.
pub(crate) fn all(quick: bool) -> Result<Vec<Cell>, String> {
    let lines = MATRIX.lines().filter(|line| !line.trim().is_empty());
    let mut cells = Vec::new();
    for line in lines {
        cells.extend(read(line).ok_or_else(|| format!("not a line of the matrix: {line}"))?);
    }
    if quick {
        cells.retain(|cell| cell.quick);
        cells.iter_mut().for_each(|cell| cell.rows = cell.rows.min(QUICK_ROWS));
    }
    Ok(cells)
}

fn read(line: &str) -> Option<Vec<Cell>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (&[names, metrics, dims, rows], rest) = words.split_at_checked(4)? else {
        return None;
    };
    let given = |word| rest.contains(&word);
    let state = match (given("memtable"), given("grown")) {
        (true, _) => State::Memtable,
        (_, true) => State::Grown,
        _ => State::Sealed,
    };
    let queries = match (given("stored"), given("far")) {
        (true, _) => Queries::Stored,
        (_, true) => Queries::Far,
        _ => Queries::HeldOut,
    };
    let numbers = |list: &str| list.split(',').map(|n| n.parse().ok()).collect::<Option<Vec<_>>>();
    let mut cells = Vec::new();
    for name in names.split(',') {
        Family::named(name)?;
        for metric in metrics.split(',') {
            let metric = match metric {
                "l2" => Metric::L2,
                "dot" => Metric::Dot,
                "cosine" => Metric::Cosine,
                _ => return None,
            };
            for dim in numbers(dims)? {
                for rows in numbers(rows)? {
                    let (name, graph, quick) = (name.to_owned(), given("graph"), given("quick"));
                    cells.push(Cell { name, metric, dim, rows, state, graph, queries, quick });
                }
            }
        }
    }
    Some(cells)
}
