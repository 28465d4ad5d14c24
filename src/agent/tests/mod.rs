//! Owns the tests of the agent layer that need the simulated disk.

mod crashes;
