//! Owns the list of libraries, one file per library.
//!
//! Left out are three crates. `faiss` binds a C++ library that must be built with CMake and a BLAS.
//! `qdrant-edge` needs 350 crates, and `lancedb` needs 600. Their Python wheels are here instead
//! (`python`), as are those of `hnswlib`, `zvec` and Scalable Vector Search. The codes `svs-lvq4x8`
//! of the last run on Intel processors alone, by a check of its own.

mod altiplano;
mod arroy;
mod hannoy;
mod hnsw_rs;
mod lmdb;
pub mod python;
pub mod usearch;

use crate::peer::Steps;

/// Returns all of them; Altiplano comes last, once for each quantization.
pub fn all() -> Vec<Box<dyn Steps>> {
    let mut all: Vec<Box<dyn Steps>> = vec![
        Box::new(hnsw_rs::HnswRs),
        Box::new(usearch::USearch::F32),
        Box::new(usearch::USearch::Bf16),
        Box::new(hannoy::Hannoy),
        Box::new(arroy::Arroy),
    ];
    all.extend(python::ALL.map(|peer| Box::new(peer) as Box<dyn Steps>));
    for &codes in crate::setup::CODES {
        all.push(Box::new(altiplano::Altiplano(codes)));
    }
    all
}
