//! One file per library.
//!
//! Left out: the crates `faiss`, which binds a C++ library that must be built beside it with CMake and a
//! BLAS, `qdrant-edge`, with 350 crates below it, and `lancedb`, with 600. Their Python wheels are here
//! instead (`python`), as are those of `hnswlib`, `zvec` and Scalable Vector Search; the codes of the
//! last, `svs-lvq4x8`, run on processors of Intel alone, by a check of its own.

mod altiplano;
mod arroy;
mod hannoy;
mod hnsw_rs;
mod lmdb;
pub mod python;
pub mod usearch;

use crate::peer::Steps;

/// All of them; Altiplano last, once for each kind of codes.
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
