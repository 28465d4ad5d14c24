//! Prints how many texts a second the model embeds: short memories, paragraphs, and texts as long
//! as it reads. `RAYON_NUM_THREADS` sets the number of threads.
//!
//! `cargo run --release --example throughput -- MODEL`

use std::time::Instant;

use altiplano_embed::MiniLm;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: throughput MODEL")?;
    let start = Instant::now();
    let model = MiniLm::load(folder)?;
    let threads = std::env::var("RAYON_NUM_THREADS").unwrap_or_else(|_| "all".to_owned());
    println!("threads {threads}: loaded in {:.2} s", start.elapsed().as_secs_f64());
    for words in [10, 60, 250] {
        let count = 4_000 / words;
        let text = |number: usize| -> String {
            let word = |at: usize| ["ana", "likes", "green", "tea", "in", "may"][(at + number) % 6];
            (0..words).map(word).collect::<Vec<_>>().join(" ")
        };
        let texts: Vec<String> = (0..count).map(text).collect();
        model.embed(&texts[..1])?;
        let start = Instant::now();
        model.embed(&texts)?;
        let seconds = start.elapsed().as_secs_f64();
        println!("  {words} words: {:.0} texts/s", count as f64 / seconds);
        let start = Instant::now();
        for text in &texts[..10] {
            model.embed(&[text])?;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("  {words} words, one at a time: {:.1} ms", seconds * 100.0);
    }
    Ok(())
}
