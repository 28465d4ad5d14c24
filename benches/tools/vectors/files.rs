//! Owns the bytes of vector files: `.npy`, `.fvecs`, `.bvecs`, `.ivecs` and `.fbin`. It reads their
//! headers and checks every length against the size of the file before anything is allocated. The
//! decoding of an element is in `elements.rs`. The meaning of the numbers is in `mod.rs`.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use super::elements::{Element, Number};

/// Longer rows are taken for damage.
const MAX_DIM: u64 = 65_536;
/// Largest header of a `.npy` file; that of a two-dimensional array is far smaller.
const MAX_NPY_HEADER: u64 = 65_536;

/// Why a vector file cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The operating system refused.
    Io { path: PathBuf, source: io::Error },
    /// The bytes at `offset` from the start of the file are invalid.
    Format { path: PathBuf, offset: u64, reason: String },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Format { path, offset, reason } => {
                write!(f, "{}: at byte {offset}: {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Format { .. } => None,
        }
    }
}

/// The position of the rows, and the type of their elements.
struct Layout {
    element: Element,
    rows: u64,
    dim: u64,
    start: u64,
    /// True if the length of each row precedes it, as four bytes.
    row_header: bool,
}

/// Reads a file of vectors. Returns the row length and the values.
pub fn read_vectors(path: &Path, limit: Option<usize>) -> Result<(usize, Vec<f32>), ReadError> {
    Source::open(path)?.read(limit, false)
}

/// Reads a file of row numbers. Returns the row length and the values.
pub fn read_ids(path: &Path, limit: Option<usize>) -> Result<(usize, Vec<u32>), ReadError> {
    Source::open(path)?.read(limit, true)
}

struct Source {
    path: PathBuf,
    file: BufReader<File>,
    size: u64,
    at: u64,
}

impl Source {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let file = BufReader::with_capacity(1 << 18, file);
        Ok(Self { path: path.to_owned(), file, size, at: 0 })
    }

    fn bad(&self, offset: u64, reason: impl Into<String>) -> ReadError {
        ReadError::Format { path: self.path.clone(), offset, reason: reason.into() }
    }

    fn mismatch(&self, offset: u64, what: &str, expected: u64, found: u64) -> ReadError {
        self.bad(offset, format!("{what}: expected {expected}, found {found}"))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        let end = self.at + buffer.len() as u64;
        if end > self.size {
            return Err(self.mismatch(self.at, "bytes of the file needed", end, self.size));
        }
        let read = self.file.read_exact(buffer);
        read.map_err(|source| ReadError::Io { path: self.path.clone(), source })?;
        self.at = end;
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn layout(&mut self) -> Result<Layout, ReadError> {
        match self.path.extension().and_then(|e| e.to_str()) {
            Some("npy") => self.npy(),
            Some("fbin") => {
                let (rows, dim) = (u64::from(self.u32()?), u64::from(self.u32()?));
                Ok(Layout { element: Element::F32, rows, dim, start: 8, row_header: false })
            }
            Some("fvecs") => self.vecs(Element::F32),
            Some("bvecs") => self.vecs(Element::U8),
            Some("ivecs") => self.vecs(Element::I32),
            _ => Err(self.bad(0, "the name must end in .npy, .fvecs, .bvecs, .ivecs or .fbin")),
        }
    }

    /// The first row's header has the length of all rows.
    fn vecs(&mut self, element: Element) -> Result<Layout, ReadError> {
        let dim = u64::from(self.u32()?);
        self.file.seek_relative(-4).map_err(|source| {
            ReadError::Io { path: self.path.clone(), source } // back to the row's start
        })?;
        self.at = 0;
        let row = 4 + dim * element.size() as u64;
        if !self.size.is_multiple_of(row) {
            let whole = self.size / row * row;
            return Err(self.mismatch(whole, "bytes of a whole row", row, self.size - whole));
        }
        Ok(Layout { element, rows: self.size / row, dim, start: 0, row_header: true })
    }

    fn npy(&mut self) -> Result<Layout, ReadError> {
        let mut start = [0; 8];
        self.fill(&mut start)?;
        if start[..6] != *b"\x93NUMPY" {
            return Err(self.bad(0, "not a NumPy file"));
        }
        let length = match start[6] {
            1 => {
                let mut bytes = [0; 2];
                self.fill(&mut bytes)?;
                u64::from(u16::from_le_bytes(bytes))
            }
            2 | 3 => u64::from(self.u32()?),
            other => return Err(self.mismatch(6, "format version, at most", 3, other.into())),
        };
        if length > MAX_NPY_HEADER {
            return Err(self.mismatch(8, "header length, at most", MAX_NPY_HEADER, length));
        }
        let at = self.at;
        let mut header = vec![0; length as usize];
        self.fill(&mut header)?;
        let text = String::from_utf8_lossy(&header);
        let (element, rows, dim) =
            npy_header(&text).map_err(|reason| self.bad(at, format!("{reason} in {text:.200}")))?;
        Ok(Layout { element, rows, dim, start: self.at, row_header: false })
    }

    fn read<T: Number>(
        mut self,
        limit: Option<usize>,
        ids: bool,
    ) -> Result<(usize, Vec<T>), ReadError> {
        let layout = self.layout()?;
        if layout.element.is_id() != ids {
            let wanted = if ids { "row numbers" } else { "vectors" };
            return Err(self.bad(0, format!("holds {:?}, not {wanted}", layout.element)));
        }
        if layout.dim == 0 || layout.dim > MAX_DIM {
            return Err(self.mismatch(layout.start, "row length, at most", MAX_DIM, layout.dim));
        }
        let header = if layout.row_header { 4 } else { 0 };
        let row_bytes = layout.dim * layout.element.size() as u64 + header;
        let needed = layout.rows.checked_mul(row_bytes).and_then(|b| b.checked_add(layout.start));
        if needed != Some(self.size) {
            let needed = needed.unwrap_or(u64::MAX);
            return Err(self.mismatch(layout.start, "bytes of the file", needed, self.size));
        }
        let rows = layout.rows.min(limit.map_or(u64::MAX, |limit| limit as u64));
        let mut values = Vec::new();
        let count = usize::try_from(rows * layout.dim).unwrap_or(usize::MAX);
        if values.try_reserve_exact(count).is_err() {
            return Err(self.bad(layout.start, format!("{rows} rows do not fit into memory")));
        }
        let mut row = vec![0; row_bytes as usize];
        for _ in 0..rows {
            self.row(&layout, &mut row, &mut values)?;
        }
        Ok((layout.dim as usize, values))
    }

    fn row<T: Number>(
        &mut self,
        layout: &Layout,
        row: &mut [u8],
        values: &mut Vec<T>,
    ) -> Result<(), ReadError> {
        let at = self.at;
        self.fill(row)?;
        let (header, body) = row.split_at(if layout.row_header { 4 } else { 0 });
        if let &[a, b, c, d] = header {
            let dim = u64::from(u32::from_le_bytes([a, b, c, d]));
            if dim != layout.dim {
                return Err(self.mismatch(at, "row length", layout.dim, dim));
            }
        }
        let size = layout.element.size();
        for (i, bytes) in body.chunks_exact(size).enumerate() {
            let Some(value) = T::decode(layout.element, bytes) else {
                let offset = at + (header.len() + i * size) as u64;
                let what = if layout.element.is_id() { "no row number" } else { "not finite" };
                return Err(
                    self.bad(offset, format!("value {i} of its row is {what}: {bytes:02x?}"))
                );
            };
            values.push(value);
        }
        Ok(())
    }
}

/// Parses element, rows and row length from `{'descr': '<f4', 'fortran_order': False, 'shape': (5,
/// 3), }`.
fn npy_header(text: &str) -> Result<(Element, u64, u64), String> {
    let field = |key: &str| {
        let (_, rest) = text.split_once(key).ok_or_else(|| format!("no {key}"))?;
        let value =
            rest.trim_start().strip_prefix(':').ok_or_else(|| format!("no value of {key}"))?;
        Ok::<_, String>(value.trim_start())
    };
    let descr = field("'descr'")?.strip_prefix('\'').and_then(|d| d.split('\'').next());
    let descr = descr.ok_or("structured elements")?;
    let element = Element::of_descr(descr).ok_or_else(|| format!("elements {descr:?}"))?;
    if !field("'fortran_order'")?.starts_with("False") {
        return Err("column order".to_owned());
    }
    let shape = field("'shape'")?.strip_prefix('(').and_then(|s| s.split_once(')'));
    let shape = shape.ok_or("no shape")?.0.trim().trim_end_matches(',');
    let sizes: Result<Vec<u64>, _> = shape.split(',').map(|n| n.trim().parse()).collect();
    match sizes.as_deref() {
        Ok(&[rows, dim]) => Ok((element, rows, dim)),
        _ => Err(format!("shape ({shape}), which is not that of a table")),
    }
}
