//! Owns the tests of shapes: what comes back, what is refused and how it is named, and the bytes.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::kinds::MAX_NODES_DEEP;
use super::{Shape, of};
use crate::Memory;

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum Kind {
    Plain,
    With(u32),
    Pair(u8, String),
    Named { left: f32, right: f32 },
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Id(u64);

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Everything {
    flag: bool,
    signed: (i8, i16, i32, i64, i128),
    unsigned: (u8, u16, u32, u64, u128),
    floats: [f64; 3],
    letter: char,
    text: String,
    unit: (),
    id: Id,
    some: Option<String>,
    none: Option<u32>,
    kinds: Vec<Kind>,
    map: BTreeMap<String, Vec<Option<u32>>>,
    boxed: Option<Box<Everything>>,
    time: std::time::Duration,
    result: Result<u8, String>,
    address: std::net::IpAddr,
    at: crate::Timestamp,
    memory: crate::MemoryId,
}

fn everything() -> Everything {
    let named = Kind::Named { left: 0.5, right: 1.5 };
    Everything {
        flag: true,
        signed: (-1, -2, -3, -4, -5),
        unsigned: (1, 2, 3, 4, 5),
        floats: [0.5, 1.5, -2.5],
        letter: 'ä',
        text: "text".into(),
        unit: (),
        id: Id(7),
        some: Some("s".into()),
        none: None,
        kinds: vec![Kind::With(3), Kind::Plain, Kind::Pair(1, "p".into()), named],
        map: BTreeMap::from([("a".into(), vec![None, Some(1)]), ("b".into(), vec![])]),
        boxed: None,
        time: std::time::Duration::from_millis(1500),
        result: Err("no".into()),
        address: [127, 0, 0, 1].into(),
        at: crate::Timestamp::from_millis(-5),
        memory: 9u64.into(),
    }
}

fn stored<T: Serialize + DeserializeOwned>(value: &T) -> Memory {
    let memory = Memory::new(1u64, [1.0]).metadata(value).unwrap();
    assert!(memory.metadata.as_ref().unwrap().shape.is_some(), "stored without a shape");
    memory
}

/// Why a value cannot be read as this type.
fn refused<T: DeserializeOwned + std::fmt::Debug>(
    value: &(impl Serialize + DeserializeOwned),
) -> String {
    stored(value).metadata_as::<T>().unwrap_err().to_string()
}

#[test]
fn every_kind_of_value_comes_back() {
    let mut value = everything();
    value.boxed = Some(Box::new(everything()));
    assert_eq!(stored(&value).metadata_as::<Everything>().unwrap(), Some(value));
}

#[test]
fn a_field_of_another_kind_is_told_by_its_name() {
    #[derive(Serialize, Deserialize, Debug)]
    struct A<T> {
        first: u8,
        second: T,
    }
    let of = |second| A { first: 1, second };
    let cases = [
        refused::<A<u64>>(&of(1i64)),
        refused::<A<(f32, f32)>>(&of(1i64)),
        refused::<A<Option<i64>>>(&of(1i64)),
        refused::<A<Vec<i64>>>(&of(1i64)),
        refused::<A<A<i64>>>(&of(1i64)),
        refused::<A<Kind>>(&of(1i64)),
        refused::<A<BTreeMap<u8, u8>>>(&of(1i64)),
        refused::<A<String>>(&of(1i64)),
        refused::<A<()>>(&of(1i64)),
    ];
    for error in cases {
        assert!(error.contains("`second` of `A` was stored as i64"), "{error}");
    }
    let error = refused::<A<[u8; 3]>>(&A { first: 1, second: [1u8; 2] });
    assert!(error.contains("`second`") && error.contains("3 parts, not 2"), "{error}");
}

#[test]
fn variants_go_by_their_names_and_what_has_none_is_refused() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Reordered {
        Named { left: f32, right: f32 },
        Added,
        Pair(u8, String),
        With(u32),
        Plain,
    }
    let named = Reordered::Named { left: 0.5, right: 1.5 };
    let pair = Reordered::Pair(1, "p".into());
    let expected = vec![Reordered::With(3), Reordered::Plain, pair, named];
    let memory = stored(&everything().kinds);
    assert_eq!(memory.metadata_as::<Vec<Reordered>>().unwrap(), Some(expected));

    #[derive(Serialize, Deserialize, Debug)]
    enum Renamed {
        Empty,
        With(u32),
    }
    let error = refused::<Renamed>(&Kind::Plain);
    assert!(error.contains("unknown variant `Plain`"), "{error}");
    #[derive(Serialize, Deserialize, Debug)]
    enum Changed {
        Plain(u32),
        With,
        Named { right: f32, left: f32 },
    }
    assert!(refused::<Changed>(&Kind::Plain).contains("nothing"));
    assert!(refused::<Changed>(&Kind::With(1)).contains("nothing"));
    let error = refused::<Changed>(&Kind::Named { left: 0.5, right: 1.5 });
    assert!(error.contains("`left`"), "{error}");
}

#[test]
fn an_alias_is_another_name_for_the_same_field() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Old {
        page: u32,
        url: String,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct New {
        #[serde(alias = "page")]
        sheet: u32,
        url: String,
    }
    let old = Old { page: 3, url: "u".into() };
    let expected = New { sheet: 3, url: "u".into() };
    assert_eq!(stored(&old).metadata_as::<New>().unwrap(), Some(expected));
    let new = New { sheet: 3, url: "u".into() };
    assert_eq!(stored(&new).metadata_as::<New>().unwrap(), Some(new));
}

#[test]
fn a_type_that_is_written_as_another_than_it_is_read_as_is_stored_without_a_shape() {
    #[derive(PartialEq, Debug)]
    struct Odd(u32);
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_i32(self.0 as i32)
        }
    }
    impl<'de> Deserialize<'de> for Odd {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            u32::deserialize(deserializer).map(Odd)
        }
    }
    let memory = Memory::new(1u64, [1.0]).metadata(&Odd(7)).unwrap();
    assert!(memory.metadata.as_ref().unwrap().shape.is_none());
    assert_eq!(memory.metadata_as::<Odd>().unwrap(), Some(Odd(7)));
}

#[test]
fn what_is_nested_without_end_is_described_to_a_depth() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Chain {
        next: Option<Box<Chain>>,
        value: u32,
    }
    let chain = (0..300).fold(None, |next, value| Some(Box::new(Chain { next, value })));
    let memory = stored(&chain);
    assert_eq!(memory.metadata_as::<Option<Box<Chain>>>().unwrap(), Some(chain));

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    enum Tree {
        Leaf,
        Node(u8, Box<Tree>),
    }
    let tree = (0..100).fold(Tree::Leaf, |tree, of| Tree::Node(of, Box::new(tree)));
    let memory = stored(&tree);
    assert_eq!(memory.metadata_as::<Tree>().unwrap(), Some(tree));
}

#[test]
fn golden_bytes_of_a_shape() {
    #[derive(Serialize)]
    struct Of {
        a: Option<u32>,
        b: Vec<(u8, String)>,
        c: Kind,
        d: [f32; 4],
        e: BTreeMap<char, ()>,
    }
    let map = BTreeMap::from([('x', ())]);
    let value = Of { a: None, b: vec![(1, "x".into())], c: Kind::With(1), d: [0.0; 4], e: map };
    let mut expected = vec![22, 5, 0]; // a struct of five fields
    expected.extend([1, 0, b'a', 18, 0]); // an option of what was not seen
    expected.extend([1, 0, b'b', 19, 21, 2, 0, 7, 15]); // a list of tuples of u8 and a string
    expected.extend([1, 0, b'c', 23, 1, 0, 1, 0, 0, 0]); // an enum, of which variant 1 was seen
    expected.extend([4, 0, b'W', b'i', b't', b'h', 9]); // its name, and a u32
    expected.extend([1, 0, b'd', 24, 4, 0, 0, 0, 12]); // four f32
    expected.extend([1, 0, b'e', 20, 14, 17]); // a map of char to nothing
    assert_eq!(of(&value), Some(expected));
}

#[test]
fn no_bytes_make_the_decoder_panic_or_recurse_without_end() {
    let bytes = of(&everything()).unwrap();
    Shape::decode(&bytes).unwrap();
    for i in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[i / 8] ^= 1 << (i % 8);
        let mut memory = stored(&everything());
        memory.metadata.as_mut().unwrap().shape = Some(damaged);
        let _ = memory.metadata_as::<Everything>();
    }
    for len in 0..bytes.len() {
        assert!(Shape::decode(&bytes[..len]).is_err());
    }
    assert!(Shape::decode(&vec![18; 1_000_000]).is_err());
    let nested = |depth: usize| [vec![18; depth - 1], vec![9]].concat();
    assert!(Shape::decode(&nested(MAX_NODES_DEEP)).is_ok());
    assert!(Shape::decode(&nested(MAX_NODES_DEEP + 1)).is_err());
}
