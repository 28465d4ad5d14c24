//! Owns the text form of options: one word each, for command lines and logs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::store::IoMode;
use super::values::{Durability, GraphBuilder, Metric};
use crate::quantization::Quantization;
use crate::value_error::ValueError;
use crate::words::Language;

/// Implements `Display` and `FromStr` for an enum whose variants are words.
macro_rules! words {
    ($type:ident, $name:literal, $($variant:ident = $word:literal),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = ValueError;

            /// Parses the output of [`Display`](fmt::Display). Returns [`ValueError`] for anything
            /// else.
            fn from_str(text: &str) -> Result<Self, ValueError> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(unknown($name, text, &[$($word),+])),
                }
            }
        }
    };
}

words!(Metric, "metric", Cosine = "cosine", Dot = "dot", L2 = "l2");
words!(
    Quantization,
    "quantization",
    Int8 = "int8",
    None = "none",
    Bits4 = "bits4",
    Bits2 = "bits2",
    Bits1 = "bits1"
);
words!(GraphBuilder, "builder", BuiltIn = "built_in", HnswRs = "hnsw_rs");
words!(
    Language,
    "language",
    English = "english",
    German = "german",
    French = "french",
    Spanish = "spanish",
    Italian = "italian",
    Portuguese = "portuguese",
    Dutch = "dutch",
    Swedish = "swedish",
    Norwegian = "norwegian",
    Danish = "danish",
    Finnish = "finnish",
    Russian = "russian"
);
words!(IoMode, "io_mode", Mapped = "mapped", Pread = "pread");

fn unknown(name: &'static str, text: &str, words: &[&str]) -> ValueError {
    ValueError::new(name, format!("{text:?} is none of {}", words.join(", ")))
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sync => f.pad("sync"),
            Self::Buffered { max_delay } => f.pad(&format!("buffered:{}ms", max_delay.as_millis())),
        }
    }
}

impl FromStr for Durability {
    type Err = ValueError;

    /// Parses `sync` and, for example, `buffered:100ms`. Returns [`ValueError`] for anything else.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let millis = text.strip_prefix("buffered:").and_then(|rest| rest.strip_suffix("ms"));
        match (text, millis.and_then(|millis| millis.parse().ok())) {
            ("sync", _) => Ok(Self::Sync),
            (_, Some(millis)) => Ok(Self::buffered(Duration::from_millis(millis))),
            _ => Err(unknown("durability", text, &["sync", "buffered:100ms"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back() {
        fn back<T: fmt::Display + FromStr<Err = ValueError> + PartialEq + fmt::Debug>(all: &[T]) {
            for value in all {
                assert_eq!(&value.to_string().parse::<T>().unwrap(), value);
            }
            let error = "nothing".parse::<T>().unwrap_err().to_string();
            let first = all[0].to_string();
            assert!(error.contains("nothing") && error.contains(&first), "{error}");
        }
        back(&[Metric::Cosine, Metric::Dot, Metric::L2]);
        let bits = [Quantization::Bits4, Quantization::Bits2, Quantization::Bits1];
        back(&[&[Quantization::None, Quantization::Int8], &bits[..]].concat());
        back(&[GraphBuilder::BuiltIn, GraphBuilder::HnswRs]);
        back(&[Language::English, Language::Finnish, Language::Russian]);
        back(&[IoMode::Mapped, IoMode::Pread]);
        back(&[Durability::Sync, Durability::buffered(Duration::from_millis(250))]);
        assert_eq!(format!("{:>8}", Metric::L2), "      l2");
    }
}
