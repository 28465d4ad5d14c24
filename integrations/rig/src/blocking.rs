//! Owns how calls of the store, which block, are made from async code.

use crate::Error;

/// Runs a call on a thread for blocking work, or in place where there is no tokio.
pub(crate) async fn blocking<T, F>(call: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Error> + Send + 'static,
{
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => match runtime.spawn_blocking(call).await {
            Ok(result) => result,
            Err(stopped) => Err(Error::Stopped { reason: stopped.to_string() }),
        },
        Err(_) => call(),
    }
}
