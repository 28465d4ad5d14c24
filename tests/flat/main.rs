//! The tests of what must not grow or degrade: budgets are kept, merged graphs keep their recall,
//! filters and large numbers cost no more than they should.

#[path = "../common/mod.rs"]
mod common;

mod budgets;
mod filtered;
mod merging;
mod recall;
mod scale;
