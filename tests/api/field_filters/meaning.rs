//! Owns the tests of what filters on fields mean: the table of `Filter::field`, numbers at the ends
//! of their ranges, times, and texts with escapes.

use altiplano::{FieldValue, Filter, Memory, Timestamp};

use super::{open, scanned};

/// Returns, for each filter, which of these texts of metadata it holds for; the same in memory and
/// in a segment.
fn held(texts: &[&str], filters: &[Filter]) -> Vec<Vec<bool>> {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    let memory = |(id, text): (u64, &&str)| {
        let memory = Memory::new(id, [1.0, id as f32]);
        if text.is_empty() { memory } else { memory.metadata_json(*text) }
    };
    notes.apply((0..).zip(texts).map(memory).collect()).unwrap();
    let ask = || -> Vec<Vec<bool>> {
        let held = |filter: &Filter| {
            let found = scanned(&notes, filter);
            (0..texts.len() as u64).map(|id| found.contains(&id)).collect()
        };
        filters.iter().map(held).collect()
    };
    let in_memory = ask();
    store.compact().unwrap();
    assert_eq!(ask(), in_memory);
    in_memory
}

#[test]
fn the_truth_table_of_the_documentation_holds() {
    let texts = [
        r#"{"a": 1}"#,
        r#"{"a": 1.0}"#,
        r#"{"a": 5}"#,
        r#"{"a": true}"#,
        r#"{"a": "1"}"#,
        r#"{"a": null}"#,
        r#"{"a": {}}"#,
        r#"{"a": []}"#,
        r#"{"a": [1]}"#,
        r#"{"b": 1}"#,
        r#"["a"]"#,
        "",
    ];
    let a = || Filter::field("a");
    let table = [
        (a().eq(1), "yy.........."),
        (a().ne(1), "..yyyyyyy..."),
        (!a().eq(1), "..yyyyyyyyyy"),
        (a().lt(2), "yy.........."),
        (a().le(1), "yy.........."),
        (a().gt(1), "..y........."),
        (a().ge(1), "yyy........."),
        (a().between(1, 4.5), "yy.........."),
        (a().one_of([1]), "yy.........."),
        (a().none_of([1]), "..yyyyyyy..."),
        (a().eq(FieldValue::Null), ".....y......"),
        (a().eq(true), "...y........"),
        (a().eq("1"), "....y......."),
        (a().ge("0"), "....y......."),
        (a().exists(), "yyyyyyyyy..."),
        (a().contains(1), "........y..."),
        (a().contains("1"), "....y......."),
        (a().starts_with("1"), "....y......."),
        (Filter::field("a[*]").eq(1), "........y..."),
        (Filter::field("a[*]").ne(1), "............"),
        (Filter::field("a[0]").exists(), "........y..."),
        (a().one_of(Vec::<i64>::new()), "............"),
        (a().none_of(Vec::<i64>::new()), "yyyyyyyyy..."),
    ];
    let filters: Vec<Filter> = table.iter().map(|(filter, _)| filter.clone()).collect();
    for ((filter, wanted), held) in table.iter().zip(held(&texts, &filters)) {
        let wanted: Vec<bool> = wanted.chars().map(|c| c == 'y').collect();
        assert_eq!(held, wanted, "{filter:?}");
    }
}

#[test]
fn integers_of_64_bits_are_exact_at_both_ends() {
    let numbers = [
        "-9223372036854775808",
        "-9223372036854775807",
        "9007199254740992",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551614",
        "18446744073709551615",
        "18446744073709551616",
    ];
    let texts: Vec<String> = numbers.iter().map(|n| format!("{{\"n\": {n}}}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let n = || Filter::field("n");
    let table = [
        (n().eq(i64::MIN), "y........"),
        (n().gt(i64::MIN), ".yyyyyyyy"),
        (n().eq(9_007_199_254_740_993i64), "...y....."),
        (n().eq(9_007_199_254_740_992.0), "..y......"),
        (n().eq(i64::MAX), "....y...."),
        (n().eq(i64::MAX as u64 + 1), ".....y..."),
        (n().eq(9_223_372_036_854_775_808.0), ".....y..."),
        (n().eq(u64::MAX), ".......y."),
        (n().lt(u64::MAX), "yyyyyyy.."),
        (n().between(u64::MAX - 1, u64::MAX), "......yy."),
        (n().eq(18_446_744_073_709_551_616.0), "........y"),
        (n().lt(f64::INFINITY), "yyyyyyyyy"),
    ];
    let filters: Vec<Filter> = table.iter().map(|(filter, _)| filter.clone()).collect();
    for ((filter, wanted), held) in table.iter().zip(held(&texts, &filters)) {
        assert_eq!(held, wanted.chars().map(|c| c == 'y').collect::<Vec<_>>(), "{filter:?}");
    }
}

#[test]
fn times_are_rfc_3339_or_milliseconds_where_the_filter_says_so() {
    let texts = [
        r#"{"at": "2026-05-01T09:30:00Z"}"#,
        r#"{"at": "2026-05-01T11:30:00+02:00"}"#,
        r#"{"at": 1777627800000}"#,
        r#"{"at": "2026-05-01T09:30:00.001Z"}"#,
        r#"{"at": "2026-05-01"}"#,
        r#"{"at": 1777627800000.5}"#,
        r#"{"at": true}"#,
    ];
    let moment: Timestamp = "2026-05-01T09:30:00Z".parse().unwrap();
    let later = Timestamp::from_millis(moment.as_millis() + 1);
    let at = || Filter::field("at");
    let table = [
        (at().eq(moment), "yyy...."),
        (at().ne(moment), "...yyyy"),
        (at().gt(moment), "...y.y."),
        (at().lt(later), "yyy..y."),
        (at().between(moment, later), "yyyy.y."),
        (at().one_of([FieldValue::from(later), true.into()]), "...y..y"),
        // Without a declared time, a text is a text.
        (at().eq("2026-05-01T09:30:00Z"), "y......"),
        (at().starts_with("2026-05-01T"), "yy.y..."),
        (at().eq(moment.as_millis()), "..y...."),
        (at().exists(), "yyyyyyy"),
    ];
    let filters: Vec<Filter> = table.iter().map(|(filter, _)| filter.clone()).collect();
    for ((filter, wanted), held) in table.iter().zip(held(&texts, &filters)) {
        assert_eq!(held, wanted.chars().map(|c| c == 'y').collect::<Vec<_>>(), "{filter:?}");
    }
}

#[test]
fn keys_and_texts_are_compared_without_their_escapes() {
    let texts = [
        r#"{"a.b": {"\u00e4": "tea\u0020\u2615"}}"#,
        r#"{"a": {"b": {"ä": "tea ☕"}}}"#,
        r#"{"a.b": {"ä": "\ud800"}}"#,
    ];
    let quoted = || Filter::field(r#"["a.b"].ä"#);
    let filters = [
        quoted().eq("tea ☕"),
        quoted().contains("ea \u{2615}"),
        Filter::field("a.b.ä").starts_with("tea"),
        quoted().eq("\u{fffd}"),
        Filter::field(r#"["a.b"]["ä"]"#).exists(),
    ];
    let wanted = ["y..", "y..", ".y.", "..y", "y.y"];
    for (held, wanted) in held(&texts, &filters).into_iter().zip(wanted) {
        assert_eq!(held, wanted.chars().map(|c| c == 'y').collect::<Vec<_>>());
    }
}

#[test]
fn typed_metadata_and_json_that_is_no_object_have_no_fields() {
    let dir = tempfile::tempdir().unwrap();
    let (store, notes) = open(&dir.path().join("s"));
    let memory = |id: u64| Memory::new(id, [1.0, 2.0]);
    notes
        .insert(
            memory(1).metadata(&std::collections::BTreeMap::from([("a".to_owned(), 1)])).unwrap(),
        )
        .unwrap();
    for (id, text) in [(2, "[{\"a\": 1}]"), (3, "\"a\""), (4, "null"), (5, "{\"a\": 1}")] {
        notes.insert(memory(id).metadata_json(text)).unwrap();
    }
    for _ in 0..2 {
        assert!(scanned(&notes, &Filter::field("a").exists()).into_iter().eq([5]));
        store.compact().unwrap();
    }
}
