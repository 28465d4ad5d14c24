//! Owns how values go between processes: a length of four bytes, the smallest first, and JSON.
//!
//! Invariant: no more is read into memory than `MOST`, whatever the other side writes.

use std::io::{Error, ErrorKind, Result};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Most bytes of a frame: a text of the largest size that the store takes, as JSON.
const MOST: usize = 128 << 20;

/// Returns a value as a frame.
///
/// # Errors
///
/// A value that has no JSON, or too much.
pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, value)?;
    let body = frame.len() - 4;
    if body > MOST {
        return Err(Error::new(ErrorKind::InvalidData, "a call has more than 128 MiB"));
    }
    let length = u32::try_from(body).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Writes a value.
///
/// # Errors
///
/// Those of [`encode`], and of the other side.
pub(super) async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    value: &impl Serialize,
) -> Result<()> {
    to.write_all(&encode(value)?).await?;
    to.flush().await
}

/// Reads a value; `None` at the end.
///
/// # Errors
///
/// A frame that is too long, cut short, or not what is expected.
pub(super) async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length);
    if length as usize > MOST {
        return Err(Error::new(ErrorKind::InvalidData, "a frame has more than 128 MiB"));
    }
    // Grows as bytes come, so that a wrong length takes no memory.
    let mut body = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut body).await?;
    if body.len() < length as usize {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(serde_json::from_slice(&body)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_what_is_cut_is_an_error() {
        let mut bytes = encode(&vec!["tea", "chess"]).unwrap();
        let read_all = async |bytes: &[u8]| {
            let mut from = bytes;
            read::<Vec<String>>(&mut from).await
        };
        assert_eq!(read_all(&bytes).await.unwrap().unwrap(), ["tea", "chess"]);
        assert!(read_all(&[]).await.unwrap().is_none());
        assert!(read_all(&bytes[..bytes.len() - 1]).await.is_err());
        bytes[3] = 0xFF;
        assert!(read_all(&bytes).await.is_err(), "too long");
    }
}
