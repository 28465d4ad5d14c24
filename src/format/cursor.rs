//! Owns bounds-checked little-endian reads from a slice. A read that passes the end is a
//! `DecodeError`. Nothing here allocates.

use super::DecodeError;

/// A position in a slice.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

macro_rules! read_number {
    ($name:ident, $type:ty) => {
        pub(crate) fn $name(&mut self) -> Result<$type, DecodeError> {
            Ok(<$type>::from_le_bytes(self.array()?))
        }
    };
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    pub(crate) fn error(&self, reason: &'static str) -> DecodeError {
        DecodeError::new(self.at as u64, reason)
    }

    /// Returns the next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(len).ok_or_else(|| self.error("length overflows"))?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(|| self.error("cut short"))?;
        self.at = end;
        Ok(bytes)
    }

    /// Returns the next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| self.error("cut short"))
    }

    read_number!(u8, u8);
    read_number!(u16, u16);
    read_number!(u32, u32);
    read_number!(u64, u64);
    read_number!(u128, u128);
    read_number!(f32, f32);

    /// Reads a length stored in four bytes. It is an error if fewer bytes are left.
    pub(crate) fn length(&mut self) -> Result<usize, DecodeError> {
        let len = self.u32()? as usize;
        if len > self.remaining() {
            return Err(self.error("a length passes the end"));
        }
        Ok(len)
    }
}
