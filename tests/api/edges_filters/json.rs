//! Ids, moments and filters as other programs read them: no number that a reader of JSON would
//! round.

use altiplano::{Error, Filter, MemoryId, Timestamp};
use serde_json::{Value, from_str, from_value, json, to_value};

use super::at;

/// Whole numbers up to here are exact in JavaScript.
const EXACT: u64 = (1 << 53) - 1;

#[test]
fn an_id_is_a_string_in_json_and_comes_back_whatever_its_size() {
    for number in [0, 7, 1 << 53, u128::from(u64::MAX), u128::MAX] {
        let id = MemoryId::from_u128(number);
        let json = to_value(id).unwrap();
        assert_eq!(json, Value::String(number.to_string()));
        assert_eq!(from_value::<MemoryId>(json).unwrap(), id);
        assert_eq!(id.to_string().parse::<MemoryId>().unwrap(), id);
    }
    // As older versions wrote it.
    assert_eq!(from_str::<MemoryId>("7").unwrap(), 7u64.into());
    assert_eq!(from_str::<MemoryId>("18446744073709551615").unwrap(), u64::MAX.into());
    for bad in ["-1", "1.5", "1e3", "null", "\"\"", "\"x\"", "\"-1\"", "\"+1\"", "\" 1\"", "true"] {
        assert!(from_str::<MemoryId>(bad).is_err(), "{bad}");
    }
    // One more than the largest id.
    let over = "340282366920938463463374607431768211456";
    assert!(from_value::<MemoryId>(json!(over)).is_err());
    for bad in ["", "id-1", "+1", "1 ", "0x7", over] {
        let error = bad.parse::<MemoryId>().unwrap_err();
        let named = matches!(Error::from(error.clone()), Error::InvalidOption { name: "id", reason, .. }
            if reason.contains(bad));
        assert!(named, "{error}");
    }
    let map = std::collections::BTreeMap::from([(MemoryId::from_u128(u128::MAX), 1)]);
    let json = serde_json::to_string(&map).unwrap();
    assert_eq!(from_str::<std::collections::BTreeMap<MemoryId, i32>>(&json).unwrap(), map);
}

/// Fails if a number is too large for some readers.
fn assert_exact(value: &Value) {
    match value {
        Value::Number(n) => {
            let exact = n.as_u64().map_or(n.as_i64().is_none(), |n| n <= EXACT)
                || n.as_i64().is_some_and(|n| n.unsigned_abs() <= EXACT);
            assert!(exact, "{n} is rounded");
        }
        Value::Array(list) => list.iter().for_each(assert_exact),
        Value::Object(map) => map.values().for_each(assert_exact),
        _ => {}
    }
}

#[test]
fn no_number_in_the_json_of_a_filter_is_rounded() {
    let far = at(EXACT + 2);
    let filters = [
        Filter::All,
        Filter::ids([1, u128::from(u64::MAX), u128::MAX].map(MemoryId::from_u128)),
        Filter::created(at(5)..),
        Filter::created(..at(5)),
        Filter::created(at(5)..at(9)),
        Filter::created(far..),
        Filter::created(..far),
        Filter::event_time(..),
        Filter::importance_at_least(0.25),
        Filter::importance(f32::NEG_INFINITY..=f32::INFINITY),
        Filter::tags_all(["a", "b"]).or(Filter::kind("k").not()).and(Filter::Pinned(true)),
        Filter::namespace("a").and(Filter::session("s")).and(Filter::key("k")),
    ];
    for filter in filters {
        let json = to_value(&filter).unwrap();
        assert_exact(&json);
        assert_eq!(from_value::<Filter>(json.clone()).unwrap(), filter, "{json}");
    }
    for moment in [Timestamp::MIN, Timestamp::MAX, at(EXACT), far] {
        let json = to_value(moment).unwrap();
        assert_exact(&json);
        assert_eq!(from_value::<Timestamp>(json).unwrap(), moment);
    }
}

#[test]
fn an_open_end_of_a_range_is_null_or_left_out() {
    let since = Filter::created(at(5)..);
    assert_eq!(
        to_value(&since).unwrap(),
        json!({"Created": {"from": "1970-01-01T00:00:00.005Z", "to": null}})
    );
    assert_eq!(
        to_value(Filter::event_time(..at(5))).unwrap(),
        json!({"EventTime": {"from": null, "to": "1970-01-01T00:00:00.005Z"}})
    );
    for same in [
        json!({"Created": {"from": 5}}),
        json!({"Created": {"from": "5", "to": null}}),
        json!({"Created": {"from": "1970-01-01T01:00:00.005+01:00"}}),
        json!({"Created": {"from": 5, "to": Timestamp::MAX}}),
        // As older versions wrote it.
        json!({"Created": {"from": 5, "to": u64::MAX}}),
    ] {
        assert_eq!(from_value::<Filter>(same.clone()).unwrap(), since, "{same}");
    }
    assert_eq!(
        from_value::<Filter>(json!({"Importance": {"from": 0.5}})).unwrap(),
        Filter::importance(0.5..=f32::INFINITY)
    );
    // A misspelled end must not be taken for an open one.
    for bad in [
        json!({"Created": {"form": 5}}),
        json!({"Created": {"from": 5, "until": 9}}),
        json!({"Created": {"from": "soon"}}),
        json!({"Created": {"from": 1.5}}),
        json!({"Nobody": 1}),
    ] {
        assert!(from_value::<Filter>(bad.clone()).is_err(), "{bad}");
    }
    assert!(from_str::<Filter>(r#"{"Created":{"from":5,"from":6}}"#).is_err());
    assert!(serde_json::to_string(&Filter::importance_at_least(f32::NAN)).is_err());
}

#[test]
fn the_binary_form_of_ids_moments_and_filters_has_not_changed() {
    let config = bincode::config::standard().with_fixed_int_encoding();
    let encode = |filter: &Filter| bincode::serde::encode_to_vec(filter, config).unwrap();
    let id = bincode::serde::encode_to_vec(MemoryId::from(7u64), config).unwrap();
    assert_eq!(id, 7u128.to_le_bytes());
    let moment = bincode::serde::encode_to_vec(at(7), config).unwrap();
    assert_eq!(moment, 7u64.to_le_bytes());
    let mut ids = vec![11, 0, 0, 0];
    ids.extend(1u64.to_le_bytes());
    ids.extend(7u128.to_le_bytes());
    assert_eq!(encode(&Filter::ids([7u64])), ids);
    let mut created = vec![7, 0, 0, 0];
    created.extend(5u64.to_le_bytes());
    created.extend(9u64.to_le_bytes());
    assert_eq!(encode(&Filter::created(at(5)..at(9))), created);
    let all = Filter::ids([7u64])
        .or(Filter::created(..).and(Filter::event_time(at(3)..)).not())
        .or(Filter::importance_at_least(0.5).and(Filter::tags_any(["a"])))
        .or(Filter::All.not());
    let read = bincode::serde::decode_from_slice::<Filter, _>(&encode(&all), config).unwrap().0;
    assert_eq!(read, all);
}
