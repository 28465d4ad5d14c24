//! The compiled part of the Python package `altiplano`. Each file has one family of classes; none
//! knows more of the store than its public API.

mod agent;
mod batch;
mod clock;
mod convert;
mod errors;
mod filter;
mod handles;
mod hit;
mod id;
mod json;
mod memory;
mod patch;
mod reader;
mod search;
mod stats;
mod store;
mod writer;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<agent::PyAgent>()?;
    module.add_class::<agent::embedder::PyHashingEmbedder>()?;
    module.add_class::<agent::recall::PyAnswer>()?;
    module.add_class::<agent::recall::PyRecalled>()?;
    module.add_class::<agent::recall::PyRemembered>()?;
    module.add_class::<agent::session::PySession>()?;
    module.add_class::<agent::tier::PyTier>()?;
    module.add_class::<batch::PyApplied>()?;
    module.add_class::<batch::PyBatch>()?;
    module.add_class::<clock::PyManualClock>()?;
    module.add_class::<filter::PyFieldRef>()?;
    module.add_class::<filter::PyFilter>()?;
    module.add_class::<handles::PyCollection>()?;
    module.add_class::<handles::PyCollectionSnapshot>()?;
    module.add_class::<handles::PyScope>()?;
    module.add_class::<handles::PyScopeSnapshot>()?;
    module.add_class::<handles::PyStoreSnapshot>()?;
    module.add_class::<hit::PyGroup>()?;
    module.add_class::<hit::PyHit>()?;
    module.add_class::<hit::PyMemoryIterator>()?;
    module.add_class::<hit::PyPage>()?;
    module.add_class::<id::PyMemoryId>()?;
    module.add_class::<memory::PyMemory>()?;
    module.add_class::<patch::PyPatch>()?;
    module.add_class::<reader::PyReader>()?;
    module.add_class::<search::PyTextQuery>()?;
    module.add_class::<store::PyStore>()?;
    module.add_class::<writer::PyWriter>()?;
    module.add_function(wrap_pyfunction!(filter::field, module)?)?;
    let close = wrap_pyfunction!(store::close_all, module)?;
    module.py().import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}
