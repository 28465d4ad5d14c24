//! The libFuzzer binary of all targets; `ALTIPLANO_FUZZ_TARGET` names one.
#![no_main]

use std::sync::OnceLock;

use altiplano::testing::hostile::{Target, prepare};
use altiplano_fuzz::{bounded, target};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static COUNTING: altiplano_fuzz::Counting = altiplano_fuzz::Counting;

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("ALTIPLANO_FUZZ_TARGET").unwrap_or_default();
        let found = target(&name);
        let found = found.unwrap_or_else(|| panic!("ALTIPLANO_FUZZ_TARGET={name} is no target"));
        prepare();
        (found.run)(&[]);
        found
    })
}

fuzz_target!(|data: &[u8]| {
    bounded(chosen(), data);
});
