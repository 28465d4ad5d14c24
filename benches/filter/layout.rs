//! Owns the kinds of filters and the sizes of namespaces: which rows get which tags, fields and
//! namespaces,
//! and which queries are asked with which filter. The store and the clock are in `main.rs`.

use altiplano::{Filter, Memory};

use crate::setup::Data;
use bench_tools::vectors::{Rng, Vectors, distance, exact_neighbors};

/// Shares of the rows that match.
const SHARES: [f64; 10] = [0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.9, 0.99];
/// Points near which, or far from which, the matching rows lie.
const ANCHORS: usize = 4;
const NAMESPACES: usize = 10_000;

/// Queries with the same filter.
pub(crate) struct Group {
    pub(crate) filter: Filter,
    /// The rows that match, in ascending order.
    pub(crate) members: Vec<u32>,
    /// Numbers of queries.
    pub(crate) queries: Vec<usize>,
}

/// One line of the result.
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) groups: Vec<Group>,
}

impl Case {
    /// Returns the number of rows that match, which is the same in every group.
    pub(crate) fn matches(&self) -> usize {
        self.groups.first().map_or(0, |group| group.members.len())
    }
}

/// The tags and namespaces of the rows, and the queries.
pub(crate) struct Layout {
    tags: Vec<Vec<String>>,
    /// The place of each row in a random order: the number in its field.
    ranks: Vec<u32>,
    namespaces: Vec<u32>,
    pub(crate) cases: Vec<Case>,
}

impl Layout {
    pub(crate) fn new(data: &Data) -> Self {
        let (rows, asked) = (data.base.len(), (data.queries.len() / 40).clamp(1, 25));
        let some: Vec<usize> = (0..data.queries.len().min(ANCHORS * asked)).collect();
        let mut layout = Self {
            tags: vec![Vec::new(); rows],
            ranks: vec![0; rows],
            namespaces: vec![0; rows],
            cases: Vec::new(),
        };
        let mut rng = Rng::new(11);
        let random = shuffled(rows, &mut rng);
        let regions = regions(data, asked);
        for share in SHARES {
            let one = [("random".to_owned(), random.as_slice(), some.as_slice())];
            layout.by_tag("random", share, one.into_iter());
            for kind in ["correlated", "anticorrelated"] {
                let orders = (0..).zip(&regions).map(|(at, region)| {
                    let order = if kind == "correlated" { &region.near } else { &region.far };
                    (format!("{kind}{at}"), order.as_slice(), region.queries.as_slice())
                });
                layout.by_tag(kind, share, orders);
            }
        }
        layout.by_namespace(&shuffled(rows, &mut rng), &some);
        layout.by_field(&shuffled(rows, &mut rng), &some);
        layout
    }

    /// Returns a case whose filters are tags: for each order, its first rows carry the tag.
    fn by_tag<'a>(
        &mut self,
        kind: &'static str,
        share: f64,
        orders: impl Iterator<Item = (String, &'a [u32], &'a [usize])>,
    ) {
        let groups = orders.map(|(name, order, queries)| {
            let tag = format!("{name}-{share}");
            let mut members = order[..matching(share, order.len())].to_vec();
            members.sort_unstable();
            members.iter().for_each(|&row| self.tags[row as usize].push(tag.clone()));
            Group { filter: Filter::tag(tag), members, queries: queries.to_vec() }
        });
        let groups = groups.collect();
        self.cases.push(Case { kind, groups });
    }

    /// Assigns the rows to namespaces whose sizes follow Zipf's law. Queries ask for one of the
    /// smallest, one in the middle of the logarithmic scale of ranks, and the largest.
    fn by_namespace(&mut self, order: &[u32], queries: &[usize]) {
        let sizes = zipf(order.len(), NAMESPACES.min(order.len() / 4).max(1));
        let middle = (sizes.len() as f64).sqrt() as usize;
        let asked = [
            ("small namespace", sizes.len() - 1),
            ("middle namespace", middle.min(sizes.len() - 1)),
            ("largest namespace", 0),
        ];
        let (mut rest, mut members) = (order, Vec::new());
        for (name, &size) in (0u32..).zip(&sizes) {
            let (own, others) = rest.split_at(size);
            own.iter().for_each(|&row| self.namespaces[row as usize] = name);
            members.push(own.to_vec());
            rest = others;
        }
        for (kind, name) in asked {
            let mut members = members[name].clone();
            members.sort_unstable();
            let filter = Filter::namespace(format!("user:{name}"));
            self.cases.push(Case {
                kind,
                groups: vec![Group { filter, members, queries: queries.to_vec() }],
            });
        }
    }

    /// Gives each row a number and, for each share, a text that is one of two. Queries ask for a
    /// range of numbers and for a text.
    fn by_field(&mut self, order: &[u32], queries: &[usize]) {
        for (rank, &row) in (0..).zip(order) {
            self.ranks[row as usize] = rank;
        }
        for (at, share) in SHARES.into_iter().enumerate() {
            let count = matching(share, order.len());
            let mut members = order[..count].to_vec();
            members.sort_unstable();
            let asked = [
                ("number range", Filter::field("rank").lt(count as u64)),
                ("text equality", Filter::field(text_field(at)).eq(IN)),
            ];
            for (kind, filter) in asked {
                let (members, queries) = (members.clone(), queries.to_vec());
                self.cases.push(Case { kind, groups: vec![Group { filter, members, queries }] });
            }
        }
    }

    /// Returns the memory that is inserted for a row.
    pub(crate) fn memory(&self, base: &Vectors, row: usize) -> Memory {
        let rank = self.ranks[row] as usize;
        let mut memory = Memory::new(row as u64, base.row(row)).field("rank", rank as u64);
        for (at, share) in SHARES.into_iter().enumerate() {
            let text = if rank < matching(share, self.ranks.len()) { IN } else { OUT };
            memory = memory.field(text_field(at), text);
        }
        let memory = memory.namespace(format!("user:{}", self.namespaces[row]));
        self.tags[row].iter().fold(memory, |memory, tag| memory.tag(tag))
    }
}

/// The texts of rows that match, and of the others.
const IN: &str = "email";
const OUT: &str = "calendar";

/// Returns the name of the text field for the share at this place.
fn text_field(at: usize) -> String {
    format!("source{at}")
}

/// Returns how many rows are this share of all.
fn matching(share: f64, rows: usize) -> usize {
    ((share * rows as f64).round() as usize).clamp(1, rows)
}

/// Queries that lie together, and all rows by their distance from there.
struct Region {
    queries: Vec<usize>,
    near: Vec<u32>,
    far: Vec<u32>,
}

fn regions(data: &Data, asked: usize) -> Vec<Region> {
    let (queries, metric) = (&data.queries, data.exact);
    let mut anchors = Vectors { dim: queries.dim, data: Vec::new() };
    let step = (queries.len() / ANCHORS).max(1);
    for i in (0..queries.len()).step_by(step).take(ANCHORS) {
        anchors.data.extend_from_slice(queries.row(i));
    }
    let together = exact_neighbors(queries, &anchors, metric, asked, 1);
    let region = |(i, anchor): (usize, &[f32])| {
        let away = |row| distance(anchor, data.base.row(row as usize), metric);
        let mut all: Vec<(f64, u32)> =
            (0..data.base.len() as u32).map(|row| (away(row), row)).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let near: Vec<u32> = all.into_iter().map(|(_, row)| row).collect();
        let far = near.iter().rev().copied().collect();
        Region { queries: together.row(i).iter().map(|&q| q as usize).collect(), near, far }
    };
    anchors.rows().enumerate().map(region).collect()
}

fn shuffled(rows: usize, rng: &mut Rng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    for i in (1..rows).rev() {
        order.swap(i, rng.below(i + 1));
    }
    order
}

/// Returns `count` sizes that sum to `rows`. The n-th is about 1/n of the first, and none is zero.
fn zipf(rows: usize, count: usize) -> Vec<usize> {
    let size = |first: f64, rank: usize| ((first / rank as f64) as usize).max(1);
    let sum = |first: f64| (1..=count).map(|rank| size(first, rank)).sum::<usize>();
    let (mut low, mut high) = (1.0, rows as f64);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if sum(middle) > rows { high = middle } else { low = middle }
    }
    let mut sizes: Vec<usize> = (1..=count).map(|rank| size(low, rank)).collect();
    sizes[0] += rows.saturating_sub(sizes.iter().sum());
    sizes
}
