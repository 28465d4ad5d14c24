//! Owns the ids that are made of keys: the first 128 bits of a SHA-256.
//!
//! Invariant: the hash of a namespace and a key is the hash of no other pair and of no single key.
//! The byte between them is in no UTF-8 text.

use sha2::{Digest, Sha256};

use super::MemoryId;

/// A byte that UTF-8 never contains.
const BETWEEN: u8 = 0xFF;

impl MemoryId {
    /// Returns the id of a key: the first 128 bits of the SHA-256 of its bytes, so the first 32
    /// digits of that hash in hexadecimal. The same key gives the same id everywhere, so that a
    /// memory can be written, found and deleted by its key alone:
    /// see [`Memory::keyed`](crate::Memory::keyed). O(key), under 1 µs for a short one.
    ///
    /// ```
    /// use altiplano::MemoryId;
    /// let id = MemoryId::from_key("doc:7");
    /// assert_eq!(id, MemoryId::from_key("doc:7"));
    /// assert_ne!(id, MemoryId::from_key("doc:8"));
    /// ```
    #[doc(alias = "hash")]
    #[doc(alias = "from_string")]
    pub fn from_key(key: &str) -> Self {
        Self::of_hash(Sha256::new().chain_update(key))
    }

    /// Returns the id of a key within a namespace. The same key in another namespace, and the key
    /// alone, have other ids.
    ///
    /// The id is the first 128 bits of the SHA-256 of the namespace, one byte 0xFF, and the key.
    ///
    /// ```
    /// use altiplano::MemoryId;
    /// let id = MemoryId::from_key_in("user:42", "name");
    /// assert_ne!(id, MemoryId::from_key_in("user:7", "name"));
    /// assert_ne!(id, MemoryId::from_key("name"));
    /// ```
    pub fn from_key_in(namespace: &str, key: &str) -> Self {
        Self::of_hash(
            Sha256::new().chain_update(namespace).chain_update([BETWEEN]).chain_update(key),
        )
    }

    fn of_hash(hash: Sha256) -> Self {
        let digits = hash.finalize();
        Self(digits.iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_ids() {
        // `printf abc | sha256sum`, and the same of `u`, byte 0xFF and `abc`.
        let id = MemoryId::from_key("abc").as_u128();
        assert_eq!(id, 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
        let id = MemoryId::from_key_in("u", "abc").as_u128();
        assert_eq!(id, 0x06dd_754f_7f2d_9f04_0300_5b6d_5f07_0722);
        let id = MemoryId::from_key("").as_u128();
        assert_eq!(id, 0xe3b0_c442_98fc_1c14_9afb_f4c8_996f_b924);
    }

    #[test]
    fn pairs_that_join_to_one_text_have_different_ids() {
        let pairs = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")];
        let mut ids: Vec<MemoryId> =
            pairs.iter().map(|(namespace, key)| MemoryId::from_key_in(namespace, key)).collect();
        ids.push(MemoryId::from_key("abc"));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5);
    }
}
