//! Owns the limits of a memory: sizes and ranges that do not depend on the collection.

use super::{
    Content, MAX_CONTENT_BYTES, MAX_DERIVED_FROM, MAX_METADATA_BYTES, MAX_NAME_BYTES, MAX_TAGS,
    Memory,
};
use crate::error::{Error, Result};

impl Memory {
    /// Checks every size limit and range that does not depend on the collection.
    pub(crate) fn check_limits(&self) -> Result<()> {
        let content = match &self.content {
            Content::None => 0,
            Content::Text(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        };
        limit("the text", "bytes", content, MAX_CONTENT_BYTES)?;
        if let Some(metadata) = &self.metadata {
            limit("the metadata", "bytes", metadata.bytes.len(), MAX_METADATA_BYTES)?;
            if let Some(fault) = &metadata.fault {
                return Err(Error::option("metadata_json", format!("not JSON: {fault}")));
            }
        }
        let names = [
            ("the key", &self.key),
            ("the namespace", &self.namespace),
            ("the session", &self.session),
            ("the kind", &self.kind),
        ];
        for (what, name) in names {
            limit(what, "bytes", name.as_ref().map_or(0, String::len), MAX_NAME_BYTES)?;
        }
        for tag in &self.tags {
            limit("a tag", "bytes", tag.len(), MAX_NAME_BYTES)?;
        }
        limit("the list of tags", "tags", self.tags.len(), MAX_TAGS)?;
        limit("the list of sources", "ids", self.derived_from.len(), MAX_DERIVED_FROM)?;
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
