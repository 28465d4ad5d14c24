//! Owns the limits of a memory: sizes and ranges that do not depend on the collection.

use super::data::Memory;
use super::metadata::Fault;
use crate::error::{Error, Result};
use crate::fields::{MAX_DEPTH, MAX_PATH_BYTES, PathFault};

impl Memory {
    /// Removes tags that the memory has already: the setters do not add them, but the field is
    /// public.
    pub(crate) fn drop_repeated_tags(&mut self) {
        let mut seen = std::collections::HashSet::new();
        let first: Vec<bool> = self.tags.iter().map(|tag| seen.insert(tag.as_str())).collect();
        let mut first = first.into_iter();
        self.tags.retain(|_| first.next().unwrap_or(true));
    }

    /// Checks every size limit and range that does not depend on the collection.
    pub(crate) fn check_limits(&self) -> Result<()> {
        let text = self.text.as_ref().map_or(0, String::len);
        let content = text.saturating_add(self.bytes.as_ref().map_or(0, Vec::len));
        limit("the text", "bytes", content, Self::MAX_CONTENT_BYTES)?;
        if let Some(metadata) = &self.metadata {
            limit("the metadata", "bytes", metadata.bytes.len(), Self::MAX_METADATA_BYTES)?;
            if let Some(fault) = &metadata.fault {
                return Err(refusal(fault));
            }
        }
        let names = [
            ("the key", &self.key),
            ("the namespace", &self.namespace),
            ("the session", &self.session),
            ("the kind", &self.kind),
        ];
        for (what, name) in names {
            limit(what, "bytes", name.as_ref().map_or(0, String::len), Self::MAX_NAME_BYTES)?;
        }
        for tag in &self.tags {
            limit("a tag", "bytes", tag.len(), Self::MAX_NAME_BYTES)?;
        }
        limit("the list of tags", "tags", self.tags.len(), Self::MAX_TAGS)?;
        limit("the list of sources", "ids", self.derived_from.len(), Self::MAX_DERIVED_FROM)?;
        if let (Some(from), Some(to)) = (self.valid_from, self.valid_to)
            && from > to
        {
            let reason = format!("it begins at {from} and ends before that, at {to}");
            return Err(Error::option("valid", reason));
        }
        if !(0.0..=1.0).contains(&self.importance) {
            let reason = format!("{} is not between 0 and 1", self.importance);
            return Err(Error::option("importance", reason));
        }
        Ok(())
    }
}

fn limit(what: &'static str, unit: &'static str, got: usize, limit: usize) -> Result<()> {
    if got > limit {
        return Err(Error::limit(what, (got, unit), limit, "make it shorter"));
    }
    Ok(())
}

/// Returns the error for metadata that is refused.
fn refusal(fault: &Fault) -> Error {
    match fault {
        Fault::NotJson(reason) => Error::option("metadata_json", format!("not JSON: {reason}")),
        Fault::Deep(levels) => {
            let (what, way_out) = ("the nesting of the metadata", "make it flatter");
            Error::limit(what, (*levels, "levels"), MAX_DEPTH, way_out)
        }
        Fault::Path(_, PathFault::Long(bytes)) => {
            let (what, way_out) = ("the path of a field", "make it shorter");
            Error::limit(what, (*bytes, "bytes"), MAX_PATH_BYTES, way_out)
        }
        Fault::Path(path, fault) => Error::option("field", format!("the path {path:?}: {fault}")),
        Fault::Element(path) => {
            let reason = "a single element of a list cannot be set or removed";
            let way_out =
                "set the whole list with field_list, or put a key with brackets in quotes";
            Error::option("field", format!("{path:?}: {reason}; {way_out}"))
        }
        Fault::NotFinite(name) => {
            let reason = "is NaN or infinity, which JSON does not have; leave it out";
            Error::option("field", format!("the value of {name:?} {reason}"))
        }
        Fault::NoObject(path, None) => {
            let reason = "the metadata is not a JSON object, so it has no fields";
            let way_out = "set an object or nothing before";
            Error::option("field", format!("{path:?}: {reason}; {way_out}"))
        }
        Fault::NoObject(path, Some(at)) => {
            let reason = format!("the value at {at:?} is not an object, so it has no fields");
            let way_out = "set or remove that value first, or put a key with dots in quotes";
            Error::option("field", format!("{path:?}: {reason}; {way_out}"))
        }
    }
}
