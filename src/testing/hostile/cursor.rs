//! Owns the target of cursors: texts from clients, which name a position in a list.

use std::sync::{Arc, OnceLock};

use super::edits::Input;
use super::golden::{Golden, options};
use super::verdict::Verdict;
use crate::format::crc32;
use crate::store::open_for_writing;
use crate::{Cursor, Direction, Order};

/// Returns a cursor of each order, as bytes.
fn whole() -> &'static [Vec<u8>] {
    static WHOLE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let golden = Golden::get();
        let store = open_for_writing(Arc::new(golden.disk()), golden.dir, options()).unwrap();
        let notes = store.get_collection("notes").unwrap();
        let orders = [Order::Created, Order::EventTime, Order::Importance, Order::Key];
        let cursor = |order| {
            let page = notes.list().order(order, Direction::Ascending).limit(3).run().unwrap();
            bytes(&page.next.unwrap().to_string())
        };
        orders.map(cursor).into()
    })
}

fn bytes(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Texts of cursors.
pub(super) fn cursor(data: &[u8]) -> Verdict {
    let mut input = Input::new(data);
    let all = whole();
    let golden = &all[input.variant % all.len()];
    let mut edited = golden.clone();
    let regions = [0..1, 1..21, 21..23, 23..31, 31..32, 32..edited.len() - 4];
    input.edit(&mut edited, &regions);
    if input.repair
        && let Some((bytes, crc)) = edited.split_last_chunk_mut::<4>()
    {
        *crc = crc32(&[bytes]).to_le_bytes();
    }
    let text: String = edited.iter().map(|byte| format!("{byte:02x}")).collect();
    let parsed = text.parse::<Cursor>();
    if let Ok(cursor) = &parsed {
        assert_eq!(cursor.to_string(), text, "a cursor does not keep its text");
        assert!(input.repair || edited == *golden, "a damaged cursor passes");
    }
    Verdict { accepted: parsed.is_ok(), repaired: input.repair }
}
