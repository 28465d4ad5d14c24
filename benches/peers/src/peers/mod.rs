//! One file per library.
//!
//! Left out: `faiss` binds a C++ library that must be built beside it with CMake and a BLAS;
//! `qdrant-edge`, with 350 crates below it, did not build within five minutes on two busy cores;
//! `lancedb`, with 600, was not tried.

mod altiplano;
mod arroy;
mod hannoy;
mod hnsw_rs;
mod lmdb;
mod usearch;

use crate::peer::Peer;

/// All of them; Altiplano last, once for each kind of codes.
pub fn all() -> Vec<Box<dyn Peer>> {
    let mut all: Vec<Box<dyn Peer>> = vec![
        Box::new(hnsw_rs::HnswRs),
        Box::new(usearch::USearch::F32),
        Box::new(usearch::USearch::Bf16),
        Box::new(hannoy::Hannoy),
        Box::new(arroy::Arroy),
    ];
    for &codes in crate::setup::CODES {
        all.push(Box::new(altiplano::Altiplano(codes)));
    }
    all
}
