//! Owns the limits of a memory: sizes and ranges that do not depend on the collection.

use super::data::Memory;
use crate::error::{Error, Result};

impl Memory {
    /// Checks every size limit and range that does not depend on the collection.
    pub(crate) fn check_limits(&self) -> Result<()> {
        let text = self.text.as_ref().map_or(0, String::len);
        let content = text.saturating_add(self.bytes.as_ref().map_or(0, Vec::len));
        limit("the text", "bytes", content, Self::MAX_CONTENT_BYTES)?;
        if let Some(metadata) = &self.metadata {
            limit("the metadata", "bytes", metadata.bytes.len(), Self::MAX_METADATA_BYTES)?;
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
            limit(what, "bytes", name.as_ref().map_or(0, String::len), Self::MAX_NAME_BYTES)?;
        }
        for tag in &self.tags {
            limit("a tag", "bytes", tag.len(), Self::MAX_NAME_BYTES)?;
        }
        limit("the list of tags", "tags", self.tags.len(), Self::MAX_TAGS)?;
        limit("the list of sources", "ids", self.derived_from.len(), Self::MAX_DERIVED_FROM)?;
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
