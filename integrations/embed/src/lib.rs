//! Embedders for [`altiplano::agent::Agent`] that run in the process, from the files of a folder.
//! Nothing is downloaded, and no text leaves the machine.
//!
//! | type | feature | model | dimension |
//! |---|---|---|---|
//! | [`MiniLm`] | `candle` (default) | all-MiniLM-L6-v2 | 384 |
//! | [`Model2Vec`] | `model2vec` | any static model of Model2Vec | its own |
//!
//! ```no_run
//! use altiplano::agent::Agent;
//! use altiplano_embed::MiniLm;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = MiniLm::load("models/all-MiniLM-L6-v2")?;
//! let agent = Agent::open("memories.alt", model)?;
//! agent.remember("Ana likes green tea")?;
//! println!("{}", agent.recall("who enjoys a hot drink?").run()?.to_prompt());
//! agent.close()?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod error;
#[cfg(any(feature = "candle", feature = "model2vec"))]
mod files;
#[cfg(feature = "candle")]
mod minilm;
#[cfg(feature = "model2vec")]
mod model2vec;

pub use error::Error;
#[cfg(feature = "candle")]
pub use minilm::MiniLm;
#[cfg(feature = "model2vec")]
pub use model2vec::Model2Vec;
